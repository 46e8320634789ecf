"""Signed tree heads as checkpoints, and the rotation of the key that signs them.

Format: C2SP tlog-checkpoint inside a C2SP signed note (https://c2sp.org/tlog-checkpoint,
https://c2sp.org/signed-note), with one extension line that holds the time. The signed text is::

    bezant/audit/<tenant id>
    <size, decimal>
    <root hash, base64>
    time <RFC 3339>

and signature lines follow after an empty line. A rotation is a signed note as well, with the old and the new
verifier key in its text and the signatures of both.
"""

import base64
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bezant.services.audit.domain.leaves import rfc3339
from bezant.services.audit.domain.merkle import HASH_LENGTH
from bezant.services.audit.domain.signed_notes import (
    ED25519,
    NoteInvalid,
    VerifierKey,
    decode_base64,
    note_text,
    sign,
    signature_fits,
    signature_of,
)

KEY_NAME: Final = "bezant-audit"
ROTATION_ORIGIN: Final = "bezant/audit-key-rotation"


class CheckpointInvalid(NoteInvalid):
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


def verifier_key(key: Ed25519PrivateKey) -> str:
    """Return the public half of a key in the form that verifiers keep."""
    return str(VerifierKey.of(KEY_NAME, ED25519, key))


def checkpoint_text(tenant_id: UUID, size: int, root: bytes, moment: datetime) -> str:
    """Return the text of a checkpoint, which is what gets signed."""
    return f"{origin_of(tenant_id)}\n{size}\n{base64.b64encode(root).decode()}\ntime {rfc3339(moment)}\n"


def sign_tree_head(tenant_id: UUID, size: int, root: bytes, moment: datetime, key: Ed25519PrivateKey) -> str:
    """Return the checkpoint of a tree, signed."""
    text = checkpoint_text(tenant_id, size, root, moment)
    return f"{text}\n{sign(text, KEY_NAME, key)}"


def is_signed_by(checkpoint: str, key: Ed25519PrivateKey) -> bool:
    """Return whether a checkpoint carries a signature line of this key."""
    return signature_of(checkpoint, VerifierKey.of(KEY_NAME, ED25519, key)) is not None


def also_signed(checkpoint: str, key: Ed25519PrivateKey) -> str:
    """Return the signature line that another key puts under a checkpoint."""
    return sign(note_text(checkpoint), KEY_NAME, key)


def open_checkpoint(checkpoint: str, key: str) -> TreeHead:
    """Return what a checkpoint says after checking its signature with a verifier key.

    Raises `CheckpointInvalid` with the reason.
    """
    try:
        verifier = VerifierKey.parse(key, ED25519)
        signature = signature_of(checkpoint, verifier)
        if signature is None:
            raise CheckpointInvalid(f"the checkpoint carries no signature of key {verifier.id.hex()}")
        text = note_text(checkpoint)
        if not signature_fits(verifier, text.encode(), signature):
            raise CheckpointInvalid("the signature does not fit the checkpoint's text")
        return _parse(text)
    except NoteInvalid as error:
        raise CheckpointInvalid(str(error)) from error


def sign_rotation(old: Ed25519PrivateKey, new: Ed25519PrivateKey, moment: datetime) -> str:
    """Return the note by which the old key hands over to the new one, signed by both."""
    text = f"{ROTATION_ORIGIN}\n{verifier_key(old)}\n{verifier_key(new)}\ntime {rfc3339(moment)}\n"
    return f"{text}\n{sign(text, KEY_NAME, old)}{sign(text, KEY_NAME, new)}"


def _parse(text: str) -> TreeHead:
    lines = text.splitlines()
    if len(lines) < 4 or not lines[1].isdecimal() or not lines[3].startswith("time "):
        raise CheckpointInvalid("the checkpoint's text is not origin, size, root and time")
    root = decode_base64(lines[2], "root")
    if len(root) != HASH_LENGTH:
        raise CheckpointInvalid("the checkpoint's root is not a SHA-256 hash")
    return TreeHead(lines[0], int(lines[1]), root, lines[3].removeprefix("time "))
