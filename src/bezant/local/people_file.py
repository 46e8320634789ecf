"""The people of the local OpenID provider: a file that only its owner can read, with hashes of their passwords."""

import base64
import hashlib
import hmac
import os
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

# RFC 7914 §2; 16 MiB and some 50 ms a guess (OWASP Password Storage Cheat Sheet: N=2^14 with r=8, p=5)
_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 5, "maxmem": 64 * 1024 * 1024}


class Person(msgspec.Struct, frozen=True):
    """Somebody who may sign in."""

    subject: str
    email: str
    salt: str
    password_hash: str


class PeopleFile:
    """People by mail address, in lower case."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Person]:
        """Return everybody."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Person])
        except FileNotFoundError:
            return {}

    def put(self, email: str, password: str) -> Person:
        """Add somebody, or give them another password; who they are to others stays."""
        people, address = self.read(), email.strip().lower()
        salt = os.urandom(16)
        known = people.get(address)
        person = Person(
            known.subject if known is not None else str(uuid4()),
            address,
            base64.b64encode(salt).decode(),
            base64.b64encode(_hash(password, salt)).decode(),
        )
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(people | {address: person}))
        temporary.replace(self._path)
        return person

    def check(self, email: str, password: str) -> Person | None:
        """Return the person if the password is theirs. Takes as long for somebody unknown."""
        person = self.read().get(email.strip().lower())
        salt = base64.b64decode(person.salt) if person is not None else bytes(16)
        given = _hash(password, salt)
        expected = base64.b64decode(person.password_hash) if person is not None else bytes(32)
        return person if hmac.compare_digest(given, expected) and person is not None else None


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_SCRYPT)
