"""Verify webhooks that Bezant sent (Standard Webhooks, signature versions 1 and 1a)."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_TOLERANCE_SECONDS = 300
_SECRET_PREFIX = "whsec_"
_PUBLIC_KEY_PREFIX = "whpk_"
_HEADERS = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})


class WebhookNotGenuine(ValueError):
    """The webhook is not from Bezant, was changed on the way, or is too old. Answer 400 and do nothing."""


class WebhookKeyInvalid(ValueError):
    """The secret or public key that you verify with is none. Webhooks may be genuine: mend the key and answer 500."""


def verify_webhook(
    key: str, headers: Mapping[str, str], body: bytes, *, tolerance_seconds: int = _TOLERANCE_SECONDS
) -> str:
    """Return the message id of a genuine webhook; use it to notice repetitions. Raises `WebhookNotGenuine`.

    `key` is the endpoint's secret (`whsec_...`), or its public key (`whpk_...`) if it is signed for with v1a. White
    space around it does not matter. `headers` are those of the request; their names may be in any case. `body` is the
    request's body as it arrived, in bytes.

    Raises `WebhookKeyInvalid` for a key that is none, and `TypeError` for a body that is text: what was decoded, or
    parsed and written again, may no longer be what was signed.
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(
            f"verify_webhook takes the request's body as bytes, not {type(body).__name__}: pass on what arrived, "
            "before it is decoded or parsed"
        )
    genuine = _verification(key)
    given = _webhook_headers(headers)
    try:
        message_id = given["webhook-id"]
        timestamp = int(given["webhook-timestamp"])
        signatures = given["webhook-signature"].split()
    except KeyError as error:
        raise WebhookNotGenuine(f"the header {error.args[0]} is missing") from error
    except ValueError as error:
        raise WebhookNotGenuine("the header webhook-timestamp is not a number of seconds") from error
    # integers: a number of four hundred digits is no float
    if abs(int(time.time()) - timestamp) > tolerance_seconds:
        raise WebhookNotGenuine("the webhook's timestamp is too far from now")
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "replace") + bytes(body)
    if not genuine(signed, signatures):
        kind = "public key" if key.strip().startswith(_PUBLIC_KEY_PREFIX) else "secret"
        raise WebhookNotGenuine(f"no signature of the webhook is right for this {kind}")
    return message_id


def _webhook_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of the specification by their names in lower case. Raises `WebhookNotGenuine`."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower in _HEADERS and found.setdefault(lower, value) != value:
            raise WebhookNotGenuine(f"the header {lower} is there twice with different values")
    return found


def _verification(key: str) -> Callable[[bytes, Sequence[str]], bool]:
    """Return what verifies signatures with a key. Raises `WebhookKeyInvalid`, which never shows the key."""
    text = key.strip()
    public = text.startswith(_PUBLIC_KEY_PREFIX)
    what, prefix = ("public key", _PUBLIC_KEY_PREFIX) if public else ("secret", _SECRET_PREFIX)
    advice = f"copy the whole {what} of the endpoint, which begins with {prefix}"
    try:
        raw = base64.b64decode(text.removeprefix(prefix), validate=True)
    except ValueError as error:
        reason = "has white space in it" if len(text.split()) > 1 else "is not base64"
        raise WebhookKeyInvalid(f"the webhook {what} {reason}; {advice}") from error
    if not raw:
        raise WebhookKeyInvalid(f"the webhook {what} is empty; {advice}")
    if not public:
        return partial(_signed_by_secret, raw)
    try:
        return partial(_signed_by_public_key, Ed25519PublicKey.from_public_bytes(raw))
    except ValueError as error:
        raise WebhookKeyInvalid(f"the webhook public key is not one of Ed25519: {len(raw)} bytes; {advice}") from error


def _signed_by_secret(secret: bytes, signed: bytes, signatures: Sequence[str]) -> bool:
    expected = "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    # as bytes: text that is not ASCII cannot be compared in constant time
    return any(hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")) for given in signatures)


def _signed_by_public_key(key: Ed25519PublicKey, signed: bytes, signatures: Sequence[str]) -> bool:
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
