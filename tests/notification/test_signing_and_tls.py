"""Ed25519 signatures through the API, and receivers that ask for a client certificate."""

import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import trustme
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from bezant.foundation.identity.certificates import self_signed_certificate
from bezant.services.notification.domain.signatures import SignatureScheme
from bezant.services.notification.storage.client_certificate import CLIENT_CERTIFICATE

from ..stores.fixtures import Stores, free_port
from ..stores.http import Api
from .conftest import MakeNotification, Notification, Receiver
from .test_delivering import enqueue, events

PATH = "/v1/webhook-endpoints"


def verify(public_key: str, headers: dict[str, str], body: bytes) -> None:
    """Raise `InvalidSignature` unless one of the v1a signatures is right for the key."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for each in headers["webhook-signature"].split():
        version, _, signature = each.partition(",")
        if version == "v1a":
            try:
                return key.verify(base64.b64decode(signature), signed)
            except InvalidSignature:
                continue
    raise InvalidSignature


async def test_an_endpoint_is_signed_for_with_both_schemes_and_rotates_both_keys(
    api: Api, notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    body = {"url": receiver.base_url, "signatures": ["v1", "v1a"]}
    status, made = await api.call(key, "POST", PATH, body)
    assert (status, made["signatures"]) == (201, ["v1", "v1a"])
    assert "whsk_" not in str(made)
    one = f"{PATH}/{made['id']}"
    status, rotated = await api.call(key, "POST", f"{one}/rotate-secret", {"overlap_seconds": 600})
    assert status == 200
    assert rotated["public_key"] != made["public_key"]
    _, shown = await api.call(key, "GET", one)
    assert (shown["public_key"], shown["previous_public_key"]) == (rotated["public_key"], made["public_key"])
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    (request,) = receiver.received
    for public_key in (made["public_key"], rotated["public_key"]):
        verify(public_key, request.headers, request.body)
    for secret in (made["secret"], rotated["secret"]):
        Webhook(secret).verify(request.body, request.headers)


async def test_v1a_alone_is_chosen_later_and_left_again(
    api: Api, notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    _, made = await api.call(key, "POST", PATH, {"url": receiver.base_url})
    assert made["public_key"] is None
    _, changed = await api.call(key, "PATCH", f"{PATH}/{made['id']}", {"signatures": ["v1a"]})
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    verify(changed["public_key"], receiver.received[0].headers, receiver.received[0].body)
    assert "v1," not in receiver.received[0].headers["webhook-signature"]
    _, again = await api.call(key, "PATCH", f"{PATH}/{made['id']}", {"signatures": ["v1a", "v1"]})
    assert again["public_key"] == changed["public_key"]
    assert (await api.call(key, "PATCH", f"{PATH}/{made['id']}", {"signatures": []}))[0] == 400
    assert (await api.call(key, "PATCH", f"{PATH}/{made['id']}", {"signatures": ["v2"]}))[0] == 400


@dataclass
class TlsReceiver:
    """A receiver that takes requests only from who shows a certificate of Bezant's."""

    url: str
    ca_file: str
    peers: list[Any] = field(default_factory=list)


@pytest.fixture
async def tls_receiver(stores: Stores, tmp_path: Path) -> AsyncIterator[TlsReceiver]:
    certificate, private_key = self_signed_certificate("bezant-webhooks")
    await stores.secrets.write(CLIENT_CERTIFICATE, {"certificate": certificate, "private_key": private_key})
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("localhost").configure_cert(context)
    port = free_port()
    receiver = TlsReceiver(f"https://localhost:{port}/", str(tmp_path / "ca.pem"))

    async def handle(request: web.Request) -> web.Response:
        receiver.peers.append(request.get_extra_info("peercert"))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "localhost", port, ssl_context=context).start()
    yield receiver
    await runner.cleanup()


async def test_a_receiver_with_mutual_tls_is_shown_the_client_certificate(
    make_notification: MakeNotification, tls_receiver: TlsReceiver, tenant: UUID
) -> None:
    notification = await make_notification(ca_file=tls_receiver.ca_file)
    for with_certificate in (False, True):
        await notification.endpoints.create(
            tenant,
            url=tls_receiver.url,
            description=str(with_certificate),
            event_filters=["*"],
            actor="key:test",
            signatures=[SignatureScheme.HMAC],
            client_certificate=with_certificate,
        )
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    rows = await notification.stores.as_superuser(
        tenant,
        "SELECT e.description, d.status FROM notification.deliveries d JOIN notification.endpoints e "
        "USING (endpoint_id) ORDER BY 1",
    )
    assert rows == [("False", "pending"), ("True", "delivered")]
    (peer,) = tls_receiver.peers
    assert peer["subject"] == ((("commonName", "bezant-webhooks"),),)


async def test_a_receiver_whose_certificate_nobody_vouches_for_gets_nothing(
    make_notification: MakeNotification, tls_receiver: TlsReceiver, tenant: UUID
) -> None:
    notification = await make_notification()
    await notification.endpoint(tenant, tls_receiver.url)
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    ((error,),) = await notification.stores.as_superuser(tenant, "SELECT last_error FROM notification.deliveries")
    assert "Certificate" in error
    assert tls_receiver.peers == []


async def test_the_client_certificate_can_be_read_without_its_key(api: Api, stores: Stores, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    status, problem = await api.call(key, "GET", f"{PATH}/client-certificate")
    assert (status, problem["code"]) == (503, "client_certificate_unavailable")
    certificate, private_key = self_signed_certificate("bezant-webhooks")
    await stores.secrets.write(CLIENT_CERTIFICATE, {"certificate": certificate, "private_key": private_key})
    status, shown = await api.call(key, "GET", f"{PATH}/client-certificate")
    assert (status, shown["certificate"]) == (200, certificate)
    assert "PRIVATE" not in str(shown)
    assert len(shown["fingerprint_sha256"]) == 64
