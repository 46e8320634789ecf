"""Standard Webhooks signatures, version 1: HMAC-SHA256 over id, time and body.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
("Signature scheme" and "Webhook headers").
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Final

SECRET_PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
SEQUENCE_HEADER: Final = "bezant-sequence"


def new_secret() -> str:
    """Return a fresh signing secret."""
    return SECRET_PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def sign(secrets: Sequence[str], message_id: str, timestamp_seconds: int, body: bytes) -> str:
    """Return the ``webhook-signature`` header: one signature for each secret that is valid now."""
    signed = f"{message_id}.{timestamp_seconds}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode() for secret in secrets
    )


def headers(
    secrets: Sequence[str], *, message_id: str, timestamp_seconds: int, sequence: int, body: bytes
) -> dict[str, str]:
    """Return every header of a delivery."""
    return {
        "content-type": "application/json",
        "user-agent": "bezant-webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": sign(secrets, message_id, timestamp_seconds, body),
        SEQUENCE_HEADER: str(sequence),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))
