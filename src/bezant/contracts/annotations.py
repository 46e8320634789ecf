"""What clients may attach to an object for their own use: a reference and metadata, which Bezant never interprets;
and the points in time that they may name.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

MAX_METADATA_KEYS: Final = 50


def _storable(text: str) -> str:
    # PostgreSQL's text holds every character but NUL, and no lone surrogate can be encoded as UTF-8.
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not hold NUL characters or lone surrogates")
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""Text that can be stored."""

_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def _in_every_zone(moment: datetime) -> datetime:
    # At the ends of the calendar a time with a zone has no UTC form: PostgreSQL would store a year that nothing reads.
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("must be a point in time between the years 1 and 9999")
    return moment.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_in_every_zone)]
"""A point in time, with its offset from UTC."""

Reference = Annotated[
    Text,
    Field(max_length=255, examples=["invoice 2026-114"], description="Your own words for this, up to 255 characters"),
]

Metadata = Annotated[
    dict[Annotated[Text, Field(min_length=1, max_length=40)], Annotated[Text, Field(max_length=500)]],
    Field(
        max_length=MAX_METADATA_KEYS,
        examples=[{"order": "A-1042"}],
        description=f"Up to {MAX_METADATA_KEYS} keys of 40 characters with values of 500",
    ),
]
