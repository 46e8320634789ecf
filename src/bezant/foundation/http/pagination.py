"""Cursor pagination: `?limit=&cursor=`, answers `{"data": [...], "next_cursor": ...}`.

Lists go by UUIDv7, newest first or oldest first as each list says; a cursor is the last id seen, opaque to
clients. A page that is read while rows are added never skips or repeats one.
"""

import base64
import binascii
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from bezant.contracts.problems import InvalidCursor

Item = TypeVar("Item")

page_limit = Annotated[int, Query(ge=1, le=200, description="How many to return at most")]
"""The type of a list route's `limit` parameter; give it the default 50."""


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    data: list[Item]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one")


def encode_cursor(last_id: UUID) -> str:
    """Return the opaque cursor that continues after this id."""
    return base64.urlsafe_b64encode(last_id.bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str | None) -> UUID | None:
    """Return the id that a cursor continues after. Raises `InvalidCursor`."""
    if cursor is None:
        return None
    try:
        found = UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error) as error:
        raise _not_ours() from error
    # The decoder passes over characters that are none of its alphabet: only what we write ourselves is read.
    if encode_cursor(found) != cursor:
        raise _not_ours()
    return found


def _not_ours() -> InvalidCursor:
    return InvalidCursor("this cursor did not come from Bezant; start again without one")
