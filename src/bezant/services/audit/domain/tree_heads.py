"""Signed tree heads as checkpoints.

Format: C2SP tlog-checkpoint inside a C2SP signed note (https://c2sp.org/tlog-checkpoint,
https://c2sp.org/signed-note), with one extension line that holds the time. The signed text is::

    bezant/audit/<tenant id>
    <size, decimal>
    <root hash, base64>
    time <RFC 3339>

and a signature line follows after an empty line. Keys are Ed25519 (RFC 8032) and are written as verifier keys,
``<name>+<key id, 8 hex digits>+<base64 of 0x01 and the public key>``.
"""

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bezant.services.audit.domain.leaves import rfc3339
from bezant.services.audit.domain.merkle import HASH_LENGTH

KEY_NAME: Final = "bezant-audit"
_ED25519: Final = b"\x01"
_SIGNATURE_START: Final = "— "


class CheckpointInvalid(ValueError):
    """A checkpoint that cannot be read, or whose signature does not fit the key."""


class TreeHead(NamedTuple):
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes
    time: str
    """RFC 3339."""


def origin_of(tenant_id: UUID) -> str:
    """Return the name of a tenant's log."""
    return f"bezant/audit/{tenant_id}"


def _key_id(public_key: bytes) -> bytes:
    return hashlib.sha256(KEY_NAME.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def verifier_key(key: Ed25519PrivateKey) -> str:
    """Return the public half of a key in the form that verifiers keep."""
    public = key.public_key().public_bytes_raw()
    return f"{KEY_NAME}+{_key_id(public).hex()}+{base64.b64encode(_ED25519 + public).decode()}"


def sign_tree_head(tenant_id: UUID, size: int, root: bytes, moment: datetime, key: Ed25519PrivateKey) -> str:
    """Return the checkpoint of a tree, signed."""
    text = f"{origin_of(tenant_id)}\n{size}\n{base64.b64encode(root).decode()}\ntime {rfc3339(moment)}\n"
    signature = _key_id(key.public_key().public_bytes_raw()) + key.sign(text.encode())
    return f"{text}\n{_SIGNATURE_START}{KEY_NAME} {base64.b64encode(signature).decode()}\n"


def open_checkpoint(checkpoint: str, key: str) -> TreeHead:
    """Return what a checkpoint says after checking its signature with a verifier key.

    Raises `CheckpointInvalid` with the reason.
    """
    public = _public_key(key)
    text, separator, signatures = checkpoint.partition("\n\n")
    if not separator:
        raise CheckpointInvalid("the checkpoint has no signature")
    text += "\n"
    wanted = _key_id(public)
    for line in signatures.splitlines():
        name, _, encoded = line.removeprefix(_SIGNATURE_START).partition(" ")
        signature = _decode_base64(encoded, "signature")
        if name != KEY_NAME or signature[:4] != wanted:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
        except InvalidSignature:
            raise CheckpointInvalid("the signature does not fit the checkpoint's text") from None
        return _parse(text)
    raise CheckpointInvalid(f"the checkpoint carries no signature of key {wanted.hex()}")


def _public_key(key: str) -> bytes:
    parts = key.split("+", 2)
    if len(parts) != 3 or parts[0] != KEY_NAME:
        raise CheckpointInvalid(f"{key!r} is not a verifier key of {KEY_NAME}")
    decoded = _decode_base64(parts[2], "verifier key")
    if len(decoded) != 33 or decoded[:1] != _ED25519 or _key_id(decoded[1:]).hex() != parts[1]:
        raise CheckpointInvalid(f"{key!r} is damaged")
    return decoded[1:]


def _parse(text: str) -> TreeHead:
    lines = text.splitlines()
    if len(lines) < 4 or not lines[1].isdecimal() or not lines[3].startswith("time "):
        raise CheckpointInvalid("the checkpoint's text is not origin, size, root and time")
    root = _decode_base64(lines[2], "root")
    if len(root) != HASH_LENGTH:
        raise CheckpointInvalid("the checkpoint's root is not a SHA-256 hash")
    return TreeHead(lines[0], int(lines[1]), root, lines[3].removeprefix("time "))


def _decode_base64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CheckpointInvalid(f"the {what} is not base64") from error
