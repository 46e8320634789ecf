"""What clients may attach to an object for their own use: a reference and metadata. Bezant never interprets them."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

MAX_METADATA_KEYS: Final = 50


def _storable(text: str) -> str:
    # PostgreSQL's text holds every character but NUL, and no lone surrogate can be encoded as UTF-8.
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not hold NUL characters or lone surrogates")
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""Text that can be stored."""

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
