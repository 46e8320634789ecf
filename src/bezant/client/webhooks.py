"""Verify webhooks that Bezant sent (Standard Webhooks, signature version 1)."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping

_TOLERANCE_SECONDS = 300


class WebhookNotGenuine(ValueError):
    """The webhook is not from Bezant, was changed on the way, or is too old. Answer 400 and do nothing."""


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, tolerance_seconds: int = _TOLERANCE_SECONDS
) -> str:
    """Return the message id of a genuine webhook; use it to notice repetitions. Raises `WebhookNotGenuine`.

    `headers` must find names in any case, as the headers of every HTTP library do.
    """
    try:
        message_id = headers["webhook-id"]
        timestamp = int(headers["webhook-timestamp"])
        signatures = headers["webhook-signature"].split()
    except (KeyError, ValueError) as error:
        raise WebhookNotGenuine("the webhook headers are missing or malformed") from error
    if abs(time.time() - timestamp) > tolerance_seconds:
        raise WebhookNotGenuine("the webhook's timestamp is too far from now")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    # as bytes: text that is not ASCII cannot be compared in constant time
    if not any(hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")) for given in signatures):
        raise WebhookNotGenuine("no signature of the webhook is right for this secret")
    return message_id
