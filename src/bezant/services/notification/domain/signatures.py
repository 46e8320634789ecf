"""Standard Webhooks signatures over id, time and body: `v1` is HMAC-SHA256, `v1a` is Ed25519.

With `v1a` a receiver holds a public key only, which forges nothing when it leaks. Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
("Signature scheme" and "Webhook headers").
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET_PREFIX: Final = "whsec_"
PRIVATE_KEY_PREFIX: Final = "whsk_"
PUBLIC_KEY_PREFIX: Final = "whpk_"
SECRET_BYTES: Final = 32
SEQUENCE_HEADER: Final = "bezant-sequence"


class SignatureScheme(StrEnum):
    """How an endpoint's messages are signed."""

    HMAC = "v1"
    """HMAC-SHA256 with the endpoint's secret."""
    ED25519 = "v1a"
    """Ed25519 with the endpoint's private key, which never leaves Bezant."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """What signs a message: the secrets and private keys that are valid now, the newest first."""

    secrets: Sequence[str] = ()
    private_keys: Sequence[str] = ()


def new_secret() -> str:
    """Return a fresh signing secret."""
    return SECRET_PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def new_key_pair() -> tuple[str, str]:
    """Return a fresh (private key, public key) for Ed25519 signatures, as `whsk_` and `whpk_` texts."""
    key = Ed25519PrivateKey.generate()
    private, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    return (
        PRIVATE_KEY_PREFIX + base64.b64encode(private).decode(),
        PUBLIC_KEY_PREFIX + base64.b64encode(public).decode(),
    )


def sign(keys: SigningKeys, message_id: str, timestamp_seconds: int, body: bytes) -> str:
    """Return the ``webhook-signature`` header: one signature for each key that is valid now."""
    signed = f"{message_id}.{timestamp_seconds}.".encode() + body
    hmacs = [("v1", hmac.digest(_raw(secret), signed, hashlib.sha256)) for secret in keys.secrets]
    ed25519 = [
        ("v1a", Ed25519PrivateKey.from_private_bytes(_raw(private)).sign(signed)) for private in keys.private_keys
    ]
    return " ".join(f"{version},{base64.b64encode(value).decode()}" for version, value in (*hmacs, *ed25519))


def headers(
    keys: SigningKeys, *, message_id: str, timestamp_seconds: int, sequence: int, body: bytes
) -> dict[str, str]:
    """Return every header of a delivery."""
    return {
        "content-type": "application/json",
        "user-agent": "bezant-webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": sign(keys, message_id, timestamp_seconds, body),
        SEQUENCE_HEADER: str(sequence),
    }


def _raw(key: str) -> bytes:
    return base64.b64decode(key.partition("_")[2])
