"""Cosignatures: a witness that saw a head, and found that it extends the last one it saw, signs it too.

Whoever runs the log can then no longer show different logs to different people, unless the witnesses help.
Format: cosignature/v1 (https://c2sp.org/tlog-cosignature).
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bezant.services.audit.domain.signed_notes import (
    COSIGNATURE,
    NoteInvalid,
    VerifierKey,
    note_text,
    signature_fits,
    signature_line,
    signature_of,
)

_TIME_BYTES: Final = 8


def witness_key(name: str, key: Ed25519PrivateKey) -> str:
    """Return the verifier key of a witness."""
    return str(VerifierKey.of(name, COSIGNATURE, key))


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def cosign(checkpoint: str, name: str, key: Ed25519PrivateKey, *, seconds: int) -> str:
    """Return the witness's signature line for a checkpoint; `seconds` since 1970 is when it saw it."""
    signature = key.sign(_message(note_text(checkpoint), seconds))
    return signature_line(VerifierKey.of(name, COSIGNATURE, key), seconds.to_bytes(_TIME_BYTES, "big") + signature)


def checked_cosignature(checkpoint: str, line: str, witnesses: list[str]) -> tuple[str, str]:
    """Return (the witness's name, its line as it is kept) after checking the line under the checkpoint.

    Raises `NoteInvalid` when no witness of the list has made it, or it does not fit.
    """
    text = note_text(checkpoint)
    for witness in witnesses:
        key = VerifierKey.parse(witness, COSIGNATURE)
        signature = signature_of(f"{text}\n{line}", key)
        if signature is None:
            continue
        seconds = int.from_bytes(signature[:_TIME_BYTES], "big")
        if not signature_fits(key, _message(text, seconds), signature[_TIME_BYTES:]):
            raise NoteInvalid(f"the cosignature of {key.name} does not fit the checkpoint")
        return key.name, signature_line(key, signature)
    raise NoteInvalid("the cosignature is of no witness of this log; add the witness first")
