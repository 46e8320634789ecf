"""E-mail through a real SMTP server on loopback."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bezant.services.notification.domain.messages import EndpointKind
from bezant.services.notification.mail import SMTP_CREDENTIAL

from ..stores.fixtures import Stores, eventually, free_port
from ..stores.http import Api, serving
from .conftest import MakeNotification, Notification, routers
from .test_delivering import FAST, enqueue, events, until_settled

PATH = "/v1/email-subscriptions"


@dataclass
class Mailbox:
    """A mail server that keeps what it gets; `refusals` are replies to RCPT by address."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    signed_in: list[str] = field(default_factory=list)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail: Any = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append(mail)
        return "250 taken"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        good = data == LoginPassword(b"bezant", b"a password")
        if good:
            self.signed_in.append(mechanism)
        return AuthResult(success=good)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox(free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    yield mailbox
    controller.stop()


@pytest.fixture
async def mailing(make_notification: MakeNotification, mailbox: Mailbox) -> Notification:
    return await make_notification(
        **FAST,
        smtp_host="127.0.0.1",
        smtp_port=mailbox.port,
        smtp_security="none",
        mail_from="Bezant <no-reply@pay.example>",
    )


def code_in(mail: EmailMessage) -> str:
    found = re.search(r"^    ([A-Z0-9]{10})\s*$", str(mail.get_content()), re.MULTILINE)
    assert found is not None
    return found.group(1)


async def subscribed(notification: Notification, mailbox: Mailbox, tenant: UUID, *filters: str) -> UUID:
    made = await notification.subscriptions.create(
        tenant, address="risk@shop.example", description="", event_filters=list(filters), actor="key:test"
    )
    code = code_in(mailbox.mails.pop())
    await notification.subscriptions.confirm(tenant, made.id, code.lower(), actor="key:test")
    return made.id


async def test_an_address_gets_mail_only_after_its_owner_has_agreed(
    mailing: Notification, mailbox: Mailbox, stores: Stores, tenant: UUID
) -> None:
    async with serving("notification", routers(mailing), stores) as api:
        key = api.keys.give(tenant)
        body = {"address": "risk@shop.example", "event_filters": ["payment.*"]}
        status, made = await api.call(key, "POST", PATH, body)
        assert (status, made["status"], made["status_reason"]) == (201, "disabled", "the address is not confirmed yet")
        one = f"{PATH}/{made['id']}"
        (asked,) = mailbox.mails
        assert asked["To"] == "risk@shop.example"
        status, problem = await api.call(key, "PATCH", one, {"status": "enabled"})
        assert (status, problem["code"]) == (409, "email_unconfirmed")
        assert await enqueue(mailing, tenant, events(tenant, 1)) == 0
        status, problem = await api.call(key, "POST", f"{one}/confirm", {"code": "AAAAAAAAAA"})
        assert (status, problem["code"]) == (422, "email_confirmation_invalid")
        assert (await api.call(key, "POST", f"{one}/send-code"))[0] == 202
        status, problem = await api.call(key, "POST", f"{one}/confirm", {"code": code_in(asked)})
        assert status == 422, "the newer code makes the older one void"
        status, confirmed = await api.call(key, "POST", f"{one}/confirm", {"code": code_in(mailbox.mails[1])})
        assert (status, confirmed["status"], confirmed["status_reason"]) == (200, "enabled", None)
        assert (await api.call(key, "POST", f"{one}/confirm", {"code": code_in(mailbox.mails[1])}))[0] == 422
        assert (await api.call(key, "POST", f"{one}/send-code"))[0] == 422
        assert (await api.call(key, "GET", f"/v1/webhook-endpoints/{made['id']}"))[0] == 404
        assert (await api.call(key, "GET", "/v1/webhook-endpoints"))[1]["data"] == []
        assert [each["address"] for each in (await api.call(key, "GET", PATH))[1]["data"]] == ["risk@shop.example"]
        other = api.keys.give(await stores.new_tenant())
        for method, path, sent in (("GET", "", None), ("POST", "/confirm", {"code": "A"}), ("DELETE", "", None)):
            assert (await api.call(other, method, one + path, sent))[0] == 404
        assert (await api.call(key, "DELETE", one))[0] == 204


async def test_events_are_mailed_in_bezants_words_and_in_the_tenants_own(
    mailing: Notification, mailbox: Mailbox, stores: Stores, tenant: UUID
) -> None:
    endpoint_id = await subscribed(mailing, mailbox, tenant, "payment.*")
    await enqueue(mailing, tenant, events(tenant, 1, "payment.failed"))
    await until_settled(mailing, tenant)
    (mail,) = mailbox.mails
    assert str(mail["Subject"]).startswith("Payment failed")
    assert mail["From"] == "Bezant <no-reply@pay.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    async with serving("notification", routers(mailing), stores) as api:
        key = api.keys.give(tenant)
        words = {"subject": "Lost: ${data.reference}", "body": "${data.reason_code} at ${timestamp}"}
        status, kept = await api.call(key, "PUT", "/v1/email-templates/payment.failed", words)
        assert (status, kept["subject"], kept["updated_by"]) == (200, words["subject"], "key:key-0")
        await enqueue(mailing, tenant, events(tenant, 1, "payment.failed"))
        await until_settled(mailing, tenant)
        assert mailbox.mails[1]["Subject"] == "Lost: -"
        bad = {"subject": "${data.card}", "body": "x"}
        status, problem = await api.call(key, "PUT", "/v1/email-templates/payment.failed", bad)
        assert (status, problem["code"]) == (422, "email_template_invalid")
        assert len((await api.call(key, "GET", "/v1/email-templates"))[1]["data"]) == 1
        assert (await api.call(key, "DELETE", "/v1/email-templates/payment.failed"))[0] == 204
        assert (await api.call(key, "DELETE", "/v1/email-templates/payment.failed"))[0] == 404
        _, log = await api.call(key, "GET", f"{PATH}/{endpoint_id}/deliveries")
        assert [(each["sequence"], each["status"], each["last_status_code"]) for each in log["data"]] == [
            (2, "delivered", 250),
            (1, "delivered", 250),
        ]
        _, detail = await api.call(key, "GET", f"{PATH}/{endpoint_id}/deliveries/{log['data'][0]['id']}")
        assert detail["tried"][0]["answer_body"] == "taken"
        status, _ = await api.call(key, "POST", f"{PATH}/{endpoint_id}/test")
        assert status == 202

        async def arrived() -> bool:
            return any(mail["Subject"] == "A test from Bezant" for mail in mailbox.mails)

        await eventually(arrived)


async def test_a_final_refusal_is_not_repeated_and_a_temporary_one_is(
    mailing: Notification, mailbox: Mailbox, tenant: UUID
) -> None:
    endpoint_id = await subscribed(mailing, mailbox, tenant, "payment.*")
    mailbox.refusals["risk@shop.example"] = "550 no such user"
    await enqueue(mailing, tenant, events(tenant, 1))
    await until_settled(mailing, tenant)
    assert await mailing.states(tenant) == [(1, "dead", 1)]
    mailbox.refusals["risk@shop.example"] = "450 come back later"
    await enqueue(mailing, tenant, events(tenant, 1))
    await mailing.deliver(tenant)
    mailbox.refusals.clear()
    await until_settled(mailing, tenant)
    (_, second) = await mailing.states(tenant)
    assert second[1] == "delivered"
    assert second[2] >= 2
    # However often it was tried, it is one mail to whoever reads it.
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == len(mailbox.mails) == 1
    endpoint = await mailing.endpoints.read(tenant, endpoint_id, kind=EndpointKind.EMAIL)
    assert endpoint.failing_since is None


async def test_a_dead_mail_server_holds_up_no_webhook_and_nothing_is_lost(
    make_notification: MakeNotification, mailing: Notification, mailbox: Mailbox, tenant: UUID
) -> None:
    await subscribed(mailing, mailbox, tenant, "payment.*")
    without = await make_notification(**FAST, smtp_host="127.0.0.1", smtp_port=free_port(), smtp_security="none")
    await enqueue(without, tenant, events(tenant, 1))
    await without.deliver(tenant)
    ((status, error),) = await mailing.stores.as_superuser(
        tenant, "SELECT status, last_error FROM notification.deliveries"
    )
    assert (status, "SMTPConnect" in error) == ("pending", True)
    await until_settled(mailing, tenant)
    assert len(mailbox.mails) == 1


async def test_bezant_signs_in_to_the_mail_server_with_the_credential_of_the_secret_store(
    make_notification: MakeNotification, stores: Stores, tenant: UUID
) -> None:
    mailbox = Mailbox(free_port())
    controller = Controller(
        mailbox, hostname="127.0.0.1", port=mailbox.port, authenticator=mailbox.authenticate, auth_required=True,
        auth_require_tls=False,
    )  # fmt: skip
    controller.start()
    try:
        await stores.secrets.write(SMTP_CREDENTIAL, {"user": "bezant", "password": "a password"})
        notification = await make_notification(
            smtp_host="127.0.0.1", smtp_port=mailbox.port, smtp_security="none", mail_from="b@pay.example"
        )
        await subscribed(notification, mailbox, tenant, "*")
        assert mailbox.signed_in
    finally:
        controller.stop()


@pytest.mark.parametrize(
    "address",
    ["", "risk", "a@b", "Risk <a@b.example>", "a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example",
     "a b@c.example", "a@" + "b" * 260 + ".example", "ä@b.example"],
)  # fmt: skip
async def test_what_is_no_single_address_is_refused(
    mailing: Notification, mailbox: Mailbox, stores: Stores, tenant: UUID, address: str
) -> None:
    async with serving("notification", routers(mailing), stores) as api:
        status, problem = await api.call(api.keys.give(tenant), "POST", PATH, {"address": address})
    assert status in (400, 422), problem
    assert mailbox.mails == []


async def test_without_a_mail_server_there_are_no_subscriptions(api: Api, tenant: UUID) -> None:
    status, problem = await api.call(api.keys.give(tenant), "POST", PATH, {"address": "risk@shop.example"})
    assert (status, problem["code"]) == (409, "email_not_offered")
