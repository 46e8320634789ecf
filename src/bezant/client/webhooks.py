"""Verify webhooks that Bezant sent (Standard Webhooks, signature versions 1 and 1a)."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_TOLERANCE_SECONDS = 300
_PUBLIC_KEY_PREFIX = "whpk_"


class WebhookNotGenuine(ValueError):
    """The webhook is not from Bezant, was changed on the way, or is too old. Answer 400 and do nothing."""


def verify_webhook(
    key: str, headers: Mapping[str, str], body: bytes, *, tolerance_seconds: int = _TOLERANCE_SECONDS
) -> str:
    """Return the message id of a genuine webhook; use it to notice repetitions. Raises `WebhookNotGenuine`.

    `key` is the endpoint's secret (`whsec_...`), or its public key (`whpk_...`) if it is signed for with v1a.
    `headers` must find names in any case, as the headers of every HTTP library do.
    """
    try:
        message_id = headers["webhook-id"]
        timestamp = int(headers["webhook-timestamp"])
        signatures = headers["webhook-signature"].split()
    except (KeyError, ValueError) as error:
        raise WebhookNotGenuine("the webhook headers are missing or malformed") from error
    # integers: a number of four hundred digits is no float
    if abs(int(time.time()) - timestamp) > tolerance_seconds:
        raise WebhookNotGenuine("the webhook's timestamp is too far from now")
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "replace") + body
    public = key.startswith(_PUBLIC_KEY_PREFIX)
    genuine = _signed_by_public_key if public else _signed_by_secret
    if not genuine(key, signed, signatures):
        raise WebhookNotGenuine(f"no signature of the webhook is right for this {'public key' if public else 'secret'}")
    return message_id


def _signed_by_secret(secret: str, signed: bytes, signatures: Sequence[str]) -> bool:
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.digest(raw, signed, hashlib.sha256)).decode()
    # as bytes: text that is not ASCII cannot be compared in constant time
    return any(hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")) for given in signatures)


def _signed_by_public_key(public_key: str, signed: bytes, signatures: Sequence[str]) -> bool:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix(_PUBLIC_KEY_PREFIX)))
    for given in signatures:
        version, _, text = given.partition(",")
        if version != "v1a":
            continue
        try:
            key.verify(base64.b64decode(text, validate=True), signed)
        except (InvalidSignature, binascii.Error, ValueError):
            # Another key's, of a rotation, or no signature at all: one of the others may be right.
            continue
        return True
    return False
