"""Salted commitments: a leaf says that a value was there without saying which.

A commitment is SHA-256 over a 32-byte random salt and the value's canonical bytes (RFC 8785). Without the salt
not even a guessed value can be confirmed, so erasing value and salt erases the personal data.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from bezant.services.audit.domain.canonical import canonical_bytes

SALT_LENGTH: Final = 32
COMMITMENT_KEY: Final = "sha256_commitment"
_COPIED_KINDS: Final = (dict, list)


class PersonalValue(NamedTuple):
    """A value taken out of a leaf; `pointer` is its place in the event's data (RFC 6901)."""

    pointer: str
    salt: bytes
    value: Any


def commitment(salt: bytes, value: Any) -> str:
    """Return the commitment in hexadecimal."""
    return hashlib.sha256(salt + canonical_bytes(value)).hexdigest()


def commit_personal_fields(
    data: dict[str, Any], fields: frozenset[str], new_salt: Callable[[], bytes]
) -> tuple[dict[str, Any], list[PersonalValue]]:
    """Return `data` with each personal field replaced by its commitment, and what was taken out.

    A field that is null or an empty object says nothing about anyone and stays.
    """
    taken: list[PersonalValue] = []
    return _committed(data, "", fields, new_salt, taken), taken


def _committed(
    value: Any,
    pointer: str,
    fields: frozenset[str],
    new_salt: Callable[[], bytes],
    taken: list[PersonalValue],
) -> Any:
    if isinstance(value, list):
        return [_committed(inner, f"{pointer}/{n}", fields, new_salt, taken) for n, inner in enumerate(value)]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, inner in value.items():
        place = _below(pointer, key)
        if key in fields and inner not in (None, "", {}, []):
            salt = new_salt()
            taken.append(PersonalValue(place, salt, inner))
            result[key] = {COMMITMENT_KEY: commitment(salt, inner)}
        elif isinstance(inner, _COPIED_KINDS):
            result[key] = _committed(inner, place, fields, new_salt, taken)
        else:
            result[key] = inner
    return result


def pointers_of_commitments(data: Any, pointer: str = "") -> list[str]:
    """Return the places in a leaf's data that hold a commitment."""
    if isinstance(data, list):
        return [found for n, inner in enumerate(data) for found in pointers_of_commitments(inner, f"{pointer}/{n}")]
    if not isinstance(data, dict):
        return []
    if data.keys() == {COMMITMENT_KEY}:
        return [pointer]
    return [
        found
        for key, inner in data.items()
        if isinstance(inner, _COPIED_KINDS)
        for found in pointers_of_commitments(inner, _below(pointer, key))
    ]


def _below(pointer: str, key: str) -> str:
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
