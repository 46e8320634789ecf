"""The client's verification against what Bezant signs, with secrets and with public keys."""

import time

import pytest

from bezant.client import WebhookNotGenuine, verify_webhook
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
