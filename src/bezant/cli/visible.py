"""Text from elsewhere on a terminal: what people wrote is shown, never obeyed.

A name may hold escape sequences that clear the screen or set the window's title, a carriage return that writes over
what stands before it, or characters that turn the direction of the text (https://trojansource.codes). Each such
character is shown as JSON escapes it, so that JSON stays the same document.
"""

import unicodedata
from typing import Final

_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Controls (C0, DEL and C1), lone surrogates, and separators that break lines."""
_MARKS: Final = frozenset(
    # directions (Unicode Annex 9), and characters of no width that hide a difference
    "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
_TAGS: Final = range(0xE0000, 0xE0080)


def visible(text: str, *, keep: str = "") -> str:
    """Return the text with every character that a terminal obeys, or shows as nothing, written as an escape.

    `keep` holds control characters that are part of our own layout, such as line feeds.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character in keep else _shown(character) for character in text)


def _shown(character: str) -> str:
    code = ord(character)
    if unicodedata.category(character) not in _CATEGORIES and character not in _MARKS and code not in _TAGS:
        return character
    if character in _NAMED:
        return _NAMED[character]
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in (0, 2))
