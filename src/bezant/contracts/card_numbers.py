"""Free text that holds a card number is refused, so that Bezant stays out of PCI DSS card scope.

A run of 13 to 19 digits (single spaces or hyphens between them allowed) that starts like an issued card and
passes the Luhn check (ISO/IEC 7812-1 annex B) counts as a card number, in whatever script its digits are. A UUID
(RFC 9562) does not: one random UUID in 22,000 holds digits that read like one, and many refer to things by UUIDs.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

from bezant.contracts.problems import CardNumberRefused

_CANDIDATE: Final = re.compile(r"(?<![0-9A-Za-z])[2-6](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z])")
_UUID: Final = re.compile(
    r"(?<![0-9A-Za-z-])[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![0-9A-Za-z-])",
    re.IGNORECASE,
)
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def passes_luhn(digits: str) -> bool:
    """Return whether the digits' Luhn sum is a multiple of ten."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        total += _DOUBLED[value] if position % 2 else value
    return total % 10 == 0


def holds_card_number(text: str) -> bool:
    """Return whether the text holds something that reads as a payment card number."""
    if len(text) < 13:
        return False
    forms = (text,) if text.isascii() else (text, _in_ascii(text))
    return any(
        passes_luhn(re.sub(r"[ -]", "", candidate.group()))
        for form in forms
        for candidate in _CANDIDATE.finditer(_UUID.sub("uuid", form))
    )


def _in_ascii(text: str) -> str:
    """Return the text with digits, spaces and dashes of every script as ASCII, and without invisible characters."""
    plain = []
    for character in unicodedata.normalize("NFKC", text):
        match unicodedata.category(character):
            case "Nd":
                plain.append(str(unicodedata.decimal(character)))
            case "Pd":
                plain.append("-")
            case "Zs":
                plain.append(" ")
            case "Cf":
                continue
            case _:
                plain.append(character)
    return "".join(plain)


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key, place)
            yield from _texts(inner, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{place}[{index}]")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield place, str(value)


def refuse_card_numbers(**fields: Any) -> None:
    """Raise `CardNumberRefused`, naming the field, when any text inside the given fields holds a card number."""
    for name, value in fields.items():
        for place, text in _texts(value, name):
            if holds_card_number(text):
                raise CardNumberRefused(
                    f"{place} holds what reads as a payment card number. Bezant never stores card numbers: "
                    "send a token or the last four digits instead.",
                    field=place,
                )
