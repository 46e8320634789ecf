"""Signatures (against an independent implementation), schedule, targets and filters of webhooks."""

import json
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from bezant.services.notification.domain.filters import is_filter, matches
from bezant.services.notification.domain.messages import body_of
from bezant.services.notification.domain.problems import EndpointUrlRefused
from bezant.services.notification.domain.schedule import (
    JITTER,
    SCHEDULE_SECONDS,
    delay_before_next_attempt,
)
from bezant.services.notification.domain.signatures import headers, new_secret, sign
from bezant.services.notification.domain.targets import check_url, is_public_address


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_signatures_verify_with_the_independent_library(text: str) -> None:
    secret = new_secret()
    body = json.dumps({"type": "payment.captured", "text": text}).encode()
    sent = headers([secret], message_id="msg_1", timestamp_seconds=int(time.time()), sequence=7, body=body)
    assert Webhook(secret).verify(body, sent)["text"] == text
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, sent)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", sent)


def test_the_specification_s_example_signature() -> None:
    # The worked example in the Standard Webhooks reference libraries' tests.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert (
        sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_both_secrets_verify_while_they_overlap() -> None:
    old, new = new_secret(), new_secret()
    sent = headers([new, old], message_id="msg_1", timestamp_seconds=int(time.time()), sequence=1, body=b"{}")
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
    check_url(url, allow_http=False, allow_private_targets=False)


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
        "https://postgres/",
        "https://ledger.bezant.svc.cluster.local/",
        "https://example.com/" + "x" * 2_000,
    ],
)
def test_other_targets_are_refused(url: str) -> None:
    with pytest.raises(EndpointUrlRefused):
        check_url(url, allow_http=False, allow_private_targets=False)


def test_a_laptop_may_allow_http_to_itself() -> None:
    check_url("http://127.0.0.1:9000/hooks", allow_http=True, allow_private_targets=True)
    with pytest.raises(EndpointUrlRefused):
        check_url("http://127.0.0.1:9000/hooks", allow_http=False, allow_private_targets=True)


def test_scoped_addresses_are_judged_by_their_address() -> None:
    assert not is_public_address("fe80::1%eth0")


@pytest.mark.parametrize("text", ["*", "payment.*", "payment.captured", "fraud.case_opened"])
def test_filters_of_every_form_are_accepted(text: str) -> None:
    assert is_filter(text)


@pytest.mark.parametrize("text", ["", "payment", "*.captured", "payment.", "PAYMENT.*", "payment.*.x", "a b.c"])
def test_other_texts_are_no_filters(text: str) -> None:
    assert not is_filter(text)


def test_matching_by_type_family_and_everything() -> None:
    assert matches(["payment.captured"], "payment.captured")
    assert not matches(["payment.captured"], "payment.refunded")
    assert matches(["account.*", "payment.*"], "payment.refunded")
    assert not matches(["pay.*"], "payment.refunded")
    assert matches(["*"], "anything.at_all")
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
