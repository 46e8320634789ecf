"""The client's verification against what Bezant signs, with secrets and with public keys."""

import time
from collections.abc import Callable

import pytest

from bezant.client import WebhookKeyInvalid, WebhookNotGenuine, verify_webhook
from bezant.services.notification.domain.signatures import SigningKeys, headers, new_key_pair, new_secret

BODY = b'{"type":"payment.captured"}'


def signed(keys: SigningKeys, *, age_seconds: int = 0) -> dict[str, str]:
    moment = int(time.time()) - age_seconds
    return headers(keys, message_id="msg_1", timestamp_seconds=moment, sequence=1, body=BODY)


def test_the_secret_and_the_public_key_each_verify_a_message_that_carries_both_signatures() -> None:
    secret, (private, public) = new_secret(), new_key_pair()
    sent = signed(SigningKeys([secret], [private]))
    assert verify_webhook(secret, sent, BODY) == verify_webhook(public, sent, BODY) == "msg_1"


def test_both_public_keys_of_a_rotation_verify_while_they_overlap() -> None:
    (private, public), (old_private, old_public) = new_key_pair(), new_key_pair()
    sent = signed(SigningKeys([], [private, old_private]))
    assert verify_webhook(public, sent, BODY) == verify_webhook(old_public, sent, BODY)


@pytest.mark.parametrize("scheme", ["secret", "public key"])
def test_what_was_changed_is_old_or_from_somebody_else_is_not_genuine(scheme: str) -> None:
    secret, (private, public) = new_secret(), new_key_pair()
    key, other = (secret, new_secret()) if scheme == "secret" else (public, new_key_pair()[1])
    sent = signed(SigningKeys([secret], [private]))
    with pytest.raises(WebhookNotGenuine, match=scheme):
        verify_webhook(key, sent, BODY + b" ")
    with pytest.raises(WebhookNotGenuine, match=scheme):
        verify_webhook(other, sent, BODY)
    with pytest.raises(WebhookNotGenuine, match=scheme):
        verify_webhook(key, sent | {"webhook-id": "msg_2"}, BODY)
    with pytest.raises(WebhookNotGenuine, match="timestamp"):
        verify_webhook(key, signed(SigningKeys([secret], [private]), age_seconds=600), BODY)
    with pytest.raises(WebhookNotGenuine, match="timestamp"):
        verify_webhook(key, sent | {"webhook-timestamp": "9" * 400}, BODY)
    for signature in ("", "v1a,", "v1a,%%%", "v1a,AAAA", "v1,ü", "v1a,ü", "v1", ",", "v2,AAAA"):
        with pytest.raises(WebhookNotGenuine):
            verify_webhook(key, sent | {"webhook-signature": signature}, BODY)


def test_a_signature_of_one_version_is_none_of_the_other() -> None:
    secret, (private, public) = new_secret(), new_key_pair()
    with pytest.raises(WebhookNotGenuine):
        verify_webhook(public, signed(SigningKeys([secret], [])), BODY)
    with pytest.raises(WebhookNotGenuine):
        verify_webhook(secret, signed(SigningKeys([], [private])), BODY)


@pytest.mark.parametrize("written", [str.lower, str.upper, str.title])
def test_header_names_are_found_in_any_case_in_a_plain_dict(written: Callable[[str], str]) -> None:
    secret = new_secret()
    sent = {written(name): value for name, value in signed(SigningKeys([secret])).items()}
    assert verify_webhook(secret, sent, BODY) == "msg_1"


def test_a_header_that_is_there_twice_with_different_values_is_not_genuine() -> None:
    secret = new_secret()
    sent = signed(SigningKeys([secret]))
    assert verify_webhook(secret, sent | {"Webhook-Id": "msg_1"}, BODY) == "msg_1"
    with pytest.raises(WebhookNotGenuine, match="webhook-id is there twice"):
        verify_webhook(secret, sent | {"Webhook-Id": "msg_2"}, BODY)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(missing: str) -> None:
    secret = new_secret()
    sent = {name: value for name, value in signed(SigningKeys([secret])).items() if name != missing}
    with pytest.raises(WebhookNotGenuine, match=f"{missing} is missing"):
        verify_webhook(secret, sent, BODY)


def test_a_body_given_as_text_is_refused_with_what_to_do() -> None:
    secret = new_secret()
    with pytest.raises(TypeError, match="as bytes, not str: pass on what arrived"):
        verify_webhook(secret, signed(SigningKeys([secret])), BODY.decode())  # type: ignore[arg-type]
    for same in (bytearray(BODY), memoryview(BODY)):
        assert verify_webhook(secret, signed(SigningKeys([secret])), same) == "msg_1"


def test_white_space_around_a_key_does_not_matter() -> None:
    secret, (private, public) = new_secret(), new_key_pair()
    sent = signed(SigningKeys([secret], [private]))
    for key in (secret, public):
        assert verify_webhook(f"\n {key}\r\n", sent, BODY) == "msg_1"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("whsec_MfKQ9r8GKYqrTwjU\nPD8ILPZIo2LaLaSw", "the webhook secret has white space in it; copy the whole"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "the webhook secret is not base64; copy the whole"),
        ("whsec_ü", "the webhook secret is not base64"), ("my secret!", "the webhook secret has white space in it"),
        ("", "the webhook secret is empty"), ("whsec_", "the webhook secret is empty"),
        ("whpk_AAAA", "is not one of Ed25519: 3 bytes"), ("whpk_%%%", "the webhook public key is not base64"),
    ],
)  # fmt: skip
def test_a_key_that_is_none_is_named_as_the_fault_and_not_shown(key: str, reason: str) -> None:
    """The webhook may be genuine: a receiver that took this for a forgery would drop every message."""
    with pytest.raises(WebhookKeyInvalid, match=reason) as refused:
        verify_webhook(key, signed(SigningKeys([new_secret()])), BODY)
    assert not isinstance(refused.value, WebhookNotGenuine)
    assert not key[6:] or key[6:] not in str(refused.value)
