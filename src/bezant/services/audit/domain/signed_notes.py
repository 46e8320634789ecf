"""Signed notes (https://c2sp.org/signed-note): a text with signature lines under it.

A key is written as a verifier key, ``<name>+<key id, 8 hex digits>+<base64 of its type and the public key>``; a
signature line as ``— <name> <base64 of the key id and the signature>``.
"""

import base64
import binascii
import hashlib
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519: Final = 0x01
"""A plain Ed25519 signature over the note's text (RFC 8032)."""
COSIGNATURE: Final = 0x04
"""A witness's Ed25519 signature with the time it saw the note (https://c2sp.org/tlog-cosignature)."""
_SIGNATURE_START: Final = "— "


class NoteInvalid(ValueError):
    """A note, key or signature that cannot be read, or does not fit."""


class VerifierKey(NamedTuple):
    """The public half of a key with its name."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes by which a signature names its key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def of(cls, name: str, kind: int, key: Ed25519PrivateKey) -> "VerifierKey":
        """Return the public half of a key."""
        return cls(name, kind, key.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, text: str, kind: int) -> "VerifierKey":
        """Return a verifier key of a type from its text. Raises `NoteInvalid`."""
        name, _, rest = text.partition("+")
        identifier, _, encoded = rest.partition("+")
        decoded = decode_base64(encoded, "verifier key")
        if not name or any(character.isspace() for character in name):
            raise NoteInvalid(f"{text!r} has no name that a signature line could hold")
        if len(decoded) != 33 or decoded[0] != kind:
            raise NoteInvalid(f"{text!r} is not a verifier key of type {kind:#04x}")
        key = cls(name, kind, decoded[1:])
        if key.id.hex() != identifier:
            raise NoteInvalid(f"{text!r} is damaged")
        return key


def decode_base64(text: str, what: str) -> bytes:
    """Return the bytes. Raises `NoteInvalid`."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteInvalid(f"the {what} is not base64") from error


def signature_line(signer: VerifierKey, signature: bytes) -> str:
    """Return the line that stands under a note."""
    return f"{_SIGNATURE_START}{signer.name} {base64.b64encode(signer.id + signature).decode()}\n"


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Return the signature line of an Ed25519 key over a text, which ends with a newline."""
    return signature_line(VerifierKey.of(name, ED25519, key), key.sign(text.encode()))


def note_text(note: str) -> str:
    """Return the text that is signed. Raises `NoteInvalid` for a note without signatures."""
    text, separator, _ = note.partition("\n\n")
    if not separator:
        raise NoteInvalid("the note has no signature")
    return text + "\n"


def signature_of(note: str, key: VerifierKey) -> bytes | None:
    """Return what follows the key's id in its signature line under the note, or None when it has not signed."""
    for line in note.partition("\n\n")[2].splitlines():
        name, _, encoded = line.removeprefix(_SIGNATURE_START).partition(" ")
        signature = decode_base64(encoded, "signature")
        if name == key.name and signature[:4] == key.id:
            return signature[4:]
    return None


def signature_fits(key: VerifierKey, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature is the key's over the message."""
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
