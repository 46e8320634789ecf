"""Cursors of the transfer lists: a place in the order of time and id, or a version of an account."""

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from bezant.contracts.problems import InvalidCursor

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NEWEST: Final = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))
_LATEST_VERSION: Final = 2**63 - 1
_PLACE: Final = struct.Struct(">q16s")
_VERSION: Final = struct.Struct(">q")


def encode_place(place: tuple[datetime, UUID] | int) -> str:
    """Return the opaque cursor that continues after a place."""
    if isinstance(place, int):
        packed = _VERSION.pack(place)
    else:
        packed = _PLACE.pack((place[0] - _EPOCH) // timedelta(microseconds=1), place[1].bytes)
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_place(cursor: str | None) -> tuple[datetime, UUID]:
    """Return the place that a cursor of the list of all transfers names. Raises `InvalidCursor`."""
    if cursor is None:
        return _NEWEST
    micros, transfer_id = _unpack(_PLACE, cursor)
    if micros < 0:
        raise _invalid()
    try:
        return _EPOCH + timedelta(microseconds=micros), UUID(bytes=transfer_id)
    except OverflowError as error:
        raise _invalid() from error


def decode_version(cursor: str | None) -> int:
    """Return the version that a cursor of an account's transfers names. Raises `InvalidCursor`."""
    if cursor is None:
        return _LATEST_VERSION
    (version,) = _unpack(_VERSION, cursor)
    if version < 1:
        raise _invalid()
    return int(version)


def _unpack(shape: struct.Struct, cursor: str) -> tuple[Any, ...]:
    try:
        return shape.unpack(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, struct.error) as error:
        raise _invalid() from error


def _invalid() -> InvalidCursor:
    return InvalidCursor("this cursor did not come from this list; start again without one")
