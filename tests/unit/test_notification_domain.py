"""Signatures (against an independent implementation), schedule, targets and filters of webhooks."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from bezant.contracts.event_catalogue import EVENT_CATALOGUE
from bezant.services.notification.domain.filters import is_filter, matches
from bezant.services.notification.domain.messages import DeliveryStatus, body_of
from bezant.services.notification.domain.outcomes import Outcome, outcome_of
from bezant.services.notification.domain.problems import EmailTemplateInvalid, EndpointUrlRefused
from bezant.services.notification.domain.retry_after import retry_after_seconds
from bezant.services.notification.domain.room import share_of
from bezant.services.notification.domain.schedule import (
    JITTER,
    SCHEDULE_SECONDS,
    delay_before_next_attempt,
)
from bezant.services.notification.domain.signatures import (
    SigningKeys,
    headers,
    new_key_pair,
    new_secret,
    sign,
)
from bezant.services.notification.domain.targets import check_url, is_allowed_address, kept_form, networks_of
from bezant.services.notification.domain.templates import Template, check_template, default_template, render

LOOPBACK = networks_of("127.0.0.0/8, ::1/128")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_signatures_verify_with_the_independent_library(text: str) -> None:
    secret = new_secret()
    body = json.dumps({"type": "payment.captured", "text": text}).encode()
    sent = headers(SigningKeys([secret]), message_id="msg_1", timestamp_seconds=int(time.time()), sequence=7, body=body)
    assert Webhook(secret).verify(body, sent)["text"] == text
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, sent)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", sent)


def test_the_specification_s_example_signature() -> None:
    # The worked example in the Standard Webhooks reference libraries' tests.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert (
        sign(SigningKeys([secret]), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_both_secrets_verify_while_they_overlap() -> None:
    old, new = new_secret(), new_secret()
    sent = headers(
        SigningKeys([new, old]), message_id="msg_1", timestamp_seconds=int(time.time()), sequence=1, body=b"{}"
    )
    assert Webhook(old).verify(b"{}", sent) == Webhook(new).verify(b"{}", sent) == {}


def test_ten_attempts_over_three_days_and_then_none() -> None:
    delays = [delay_before_next_attempt(n, compression=1, chance=0.5) for n in range(1, 10)]
    assert delays == list(SCHEDULE_SECONDS[1:])
    assert delay_before_next_attempt(10, compression=1, chance=0.5) is None


@given(st.integers(1, 9), st.floats(0, 1), st.floats(1, 10_000))
def test_jitter_stays_within_its_share(attempts: int, chance: float, compression: float) -> None:
    delay = delay_before_next_attempt(attempts, compression=compression, chance=chance)
    assert delay is not None
    exact = SCHEDULE_SECONDS[attempts] / compression
    assert exact * (1 - JITTER) - 1e-9 <= delay <= exact * (1 + JITTER) + 1e-9


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hooks?x=1",
        "https://8.8.8.8:8443/",
        "https://[2606:4700::1111]/hooks",
        "https://sub.example.co.uk",
    ],
)
def test_public_https_targets_are_allowed(url: str) -> None:
    check_url(url, allow_http=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "//example.com/",
        "example.com",
        "https://",
        "https://user:pass@example.com/",
        "https://example.com/#fragment",
        "https://example.com/a b",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://10.0.0.8/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://0x7f.0.0.0x1/",
        "https://168.63.129.16/metadata",
        "https://192.0.0.192/",
        "https://[::127.0.0.1]/",
        "https://[fec0::1]/",
        "https://[fd00:ec2::254]/",
        "https://[2001:0:a00:1::]/",
        "https://[64:ff9b:1::a00:1]/",
        "https://[2001:db8::1]/",
        "https://[3fff::1]/",
        "https://[100::1]/",
        "https://[5f00::1]/",
        "https://[::ffff:0:a9fe:a9fe]/",
        "https://[::ffff:0:10.0.0.1]/",
        "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "https://[2606:4700::5efe:169.254.169.254]/",
        "https://[2606:4700::200:5efe:10.0.0.1]/",
        "https://0251.0376.0251.0376/",
        "https://0xa9fea9fe/",
        "https://2852039166./",
        "https://%31%36%39.254.169.254/",
        "https://１６９。254．169｡254/",
        "https://ⓛocalhost/",
        "https://loc%61lhost/",
        "https://x.INTERN%41L/",
        "https://[fe80::1%25eth0]/",
        "https://1.2.3.4.5/",
        "https://example.0x7f/",
        "https://exa%00mple.com/",
        "https://exa mple.com/",
        "https://exa%20mple.com/",
        "https:example.com/",
        "https:/example.com/",
        "https:\\\\example.com/",
        "https://example.com\\@169.254.169.254/",
        "https://@example.com:x/",
        "https://postgres/",
        "https://ledger.bezant.svc.cluster.local/",
        "https://example.com/" + "x" * 2_000,
    ],
)
def test_other_targets_are_refused(url: str) -> None:
    with pytest.raises(EndpointUrlRefused):
        check_url(url, allow_http=False)


@pytest.mark.parametrize(
    ("given", "url", "host"),
    [
        ("https://ex%61mple.com", "https://example.com/", "example.com"),
        ("HTTPS://EXAMPLE.com:443/Hooks", "https://example.com/Hooks", "example.com"),
        ("https://例え.jp/x", "https://xn--r8jz45g.jp/x", "xn--r8jz45g.jp"),
        ("https://０x08080808/", "https://8.8.8.8/", "8.8.8.8"),
        ("https://[2606:4700:0:0::1111]/", "https://[2606:4700::1111]/", "2606:4700::1111"),
        ("https://example.com/a/../b?c=d e".replace(" ", "%20"), "https://example.com/b?c=d%20e", "example.com"),
    ],
)
def test_a_target_is_read_by_the_url_standard_and_kept_in_its_normal_form(given: str, url: str, host: str) -> None:
    target = check_url(given, allow_http=False)
    assert (target.url, target.host) == (url, host)
    assert kept_form(given, target) == url


@pytest.mark.parametrize("url", ["https://example.com", "https://example.com/", "https://example.com/hooks?x=1"])
def test_a_target_in_its_normal_form_is_kept_as_it_was_given(url: str) -> None:
    assert kept_form(url, check_url(url, allow_http=False)) == url


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_however_ipv6_writes_it(address: IPv4Address) -> None:
    inner = int(address)
    written = [
        IPv6Address(prefix + inner) for prefix in (0, 0xFFFF << 32, 0xFFFF << 48, int(IPv6Address("64:ff9b::")))
    ] + [IPv6Address((0x2002 << 112) | (inner << 80) | 1)]
    assert {is_allowed_address(str(each)) for each in written} == {is_allowed_address(str(address))}


@given(st.ip_addresses(v=6))
def test_only_addresses_that_everyone_can_reach_are_allowed(address: IPv6Address) -> None:
    if is_allowed_address(str(address)):
        assert address in ip_network("2000::/3") or is_allowed_address(str(IPv4Address(int(address) & 0xFFFFFFFF)))


def test_a_laptop_may_allow_http_to_itself() -> None:
    check_url("http://127.0.0.1:9000/hooks", allow_http=True, allowed=LOOPBACK)
    check_url("http://localhost:9000/hooks", allow_http=True, allowed=LOOPBACK)
    for refused in ("https://10.0.0.8/", "https://169.254.169.254/", "https://[fd00::1]/", "https://0xa000008/"):
        with pytest.raises(EndpointUrlRefused):
            check_url(refused, allow_http=True, allowed=LOOPBACK)
    with pytest.raises(EndpointUrlRefused):
        check_url("http://127.0.0.1:9000/hooks", allow_http=False, allowed=LOOPBACK)


def test_scoped_addresses_are_judged_by_their_address() -> None:
    assert not is_allowed_address("fe80::1%eth0")


@pytest.mark.parametrize(
    "text", ["*", "payment.*", "payment.captured", "fraud.case_opened", "*.frozen", "payment.refund*", "*.*", "a.*_b.c"]
)
def test_filters_of_every_form_are_accepted(text: str) -> None:
    assert is_filter(text)


@pytest.mark.parametrize(
    "text", ["", "payment", "payment.", ".x", "PAYMENT.*", "payment.**", "payment.*a*", "**", "a b.c", "a.b\n"]
)
def test_other_texts_are_no_filters(text: str) -> None:
    assert not is_filter(text)


def test_matching_by_type_family_and_everything() -> None:
    assert matches(["payment.captured"], "payment.captured")
    assert not matches(["payment.captured"], "payment.refunded")
    assert matches(["account.*", "payment.*"], "payment.refunded")
    assert not matches(["pay.*"], "payment.refunded")
    assert matches(["*"], "anything.at_all")
    assert matches(["payment.*"], "payment.refund.failed")
    assert matches(["*.frozen"], "account.frozen")
    assert not matches(["*.frozen"], "account.unfrozen")
    assert not matches(["*.frozen"], "account.sub.frozen")
    assert matches(["payment.refund*"], "payment.refund_failed")
    assert matches(["payment.refund*"], "payment.refund")
    assert not matches(["payment.refund*"], "payment.captured")
    assert not matches(["payment.captured"], "paymentxcaptured")
    assert not matches([], "payment.captured")


def test_the_body_is_what_standard_webhooks_recommends() -> None:
    moment = datetime(2026, 1, 2, 4, 0, tzinfo=timezone(timedelta(hours=1)))
    body = json.loads(body_of("payment.captured", event_id="e", subject="p", time=moment, data={"a": 1}))
    assert body == {
        "type": "payment.captured",
        "timestamp": datetime(2026, 1, 2, 3, 0, tzinfo=UTC).isoformat().replace("+00:00", "Z"),
        "event_id": "e",
        "subject": "p",
        "data": {"a": 1},
    }


def test_v1a_signatures_verify_with_the_public_key_alone() -> None:
    (private, public), (old_private, old_public) = new_key_pair(), new_key_pair()
    assert private.startswith("whsk_")
    header = sign(SigningKeys([], [private, old_private]), "msg_1", 1614265330, b'{"a":1}')
    signatures = [each.split(",") for each in header.split()]
    assert [version for version, _ in signatures] == ["v1a", "v1a"]
    for (_, signature), text in zip(signatures, (public, old_public), strict=True):
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(text.removeprefix("whpk_")))
        key.verify(base64.b64decode(signature), b'msg_1.1614265330.{"a":1}')
        with pytest.raises(InvalidSignature):
            key.verify(base64.b64decode(signature), b'msg_1.1614265330.{"a":2}')


def test_both_versions_stand_side_by_side_and_v1_verifiers_pass_over_v1a() -> None:
    secret, (private, _) = new_secret(), new_key_pair()
    keys = SigningKeys([secret], [private])
    sent = headers(keys, message_id="msg_1", timestamp_seconds=int(time.time()), sequence=1, body=b"{}")
    assert [each.partition(",")[0] for each in sent["webhook-signature"].split()] == ["v1", "v1a"]
    assert Webhook(secret).verify(b"{}", sent) == {}


NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("9" * 400, 86_400.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2099 11:00:00 GMT", 86_400.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds


def test_the_next_attempt_is_never_before_what_the_receiver_asked_for() -> None:
    later = outcome_of(1, 429, compression=1, chance=0.5, retry_after_seconds=600)
    assert later == Outcome(DeliveryStatus.PENDING, 600)
    sooner = outcome_of(3, 503, compression=1, chance=0.5, retry_after_seconds=1)
    assert sooner == Outcome(DeliveryStatus.PENDING, SCHEDULE_SECONDS[3])
    assert outcome_of(1, 550, compression=1, chance=0.5, permanent=True) == Outcome(DeliveryStatus.DEAD)


@given(st.integers(0, 600), st.integers(0, 600))
def test_one_tenant_never_takes_the_last_free_request_of_many(free: int, used: int) -> None:
    share = share_of(free, used=used, most=128)
    assert 0 <= share <= max(0, 128 - used)
    assert share < free or free <= 1
    assert share > 0 or free == 0 or used >= 128


EVENT = json.dumps(
    {
        "type": "payment.captured",
        "timestamp": "2026-01-02T03:00:00Z",
        "event_id": "e",
        "subject": "p",
        "data": {"amount_minor": 123456, "currency": "USD", "reference": "a\nBcc: x@y.example", "reason_code": None},
    }
)


def test_a_mail_is_filled_from_the_event_and_its_subject_stays_one_line() -> None:
    template = Template("${data.amount}: ${data.reference}", "${type} ${data.reason_code} ${data.nothing} $5 ${}")
    check_template("payment.captured", Template("${data.amount}", "${data.captured} ${timestamp}"))
    assert render(template, EVENT) == ("1,234.56 USD: a Bcc: x@y.example", "payment.captured - - $5 -")


@pytest.mark.parametrize("event_type", EVENT_CATALOGUE)
def test_bezants_own_words_fit_every_event(event_type: str) -> None:
    check_template(event_type, default_template(event_type))


@pytest.mark.parametrize(
    ("event_type", "template"),
    [
        ("payment.lost", Template("a", "b")),
        ("payment.captured", Template("${data.card}", "b")),
        ("payment.captured", Template("a", "${data.amount.x}")),
        ("payment.captured", Template("a\nb", "b")),
        ("payment.captured", Template("a", "${__class__}")),
    ],
)
def test_a_template_with_a_place_that_nothing_fills_is_refused(event_type: str, template: Template) -> None:
    with pytest.raises(EmailTemplateInvalid):
        check_template(event_type, template)
