"""Which events an endpoint asked for.

A filter is an event type whose parts may hold one ``*`` each: ``payment.captured``, ``payment.refund*``,
``*.frozen``. ``*`` within a part stands for any characters but the dot; a last part that is only ``*`` stands for
all that follows (``payment.*``), and ``*`` alone for everything.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from bezant.services.notification.domain.problems import EventFilterInvalid

EVERYTHING: Final = "*"
_PART: Final = r"(?:[a-z0-9_]+\*?[a-z0-9_]*|\*[a-z0-9_]*)"
# One star a part: a pattern then needs no backtracking worth the name, whatever a tenant writes.
_FILTER: Final = re.compile(rf"\*|{_PART}(?:\.{_PART})+")


def is_filter(text: str) -> bool:
    """Return whether a text can be used as a filter."""
    return _FILTER.fullmatch(text) is not None


def check_filters(texts: Sequence[str]) -> None:
    """Raise `EventFilterInvalid` unless each text is a filter."""
    for text in texts:
        if not is_filter(text):
            raise EventFilterInvalid(
                f"{text!r} is not an event filter; use a type (payment.captured), a pattern with at most one * in "
                "each part (payment.*, *.frozen, payment.refund*), or * for everything."
            )


def matches(filters: Sequence[str], event_type: str) -> bool:
    """Return whether one of the filters lets this event type through."""
    return _matches(tuple(filters), event_type)


@lru_cache(maxsize=8_192)
def _matches(filters: tuple[str, ...], event_type: str) -> bool:
    return any(_pattern(each).fullmatch(event_type) is not None for each in filters)


@lru_cache(maxsize=2_048)
def _pattern(text: str) -> re.Pattern[str]:
    if text == EVERYTHING:
        return re.compile(".+")
    *parts, last = text.split(".")
    ending = ".+" if last == EVERYTHING else _part(last)
    return re.compile(r"\.".join([*(_part(part) for part in parts), ending]))


def _part(text: str) -> str:
    # A part that is only a star stands for something, not for nothing.
    return "[^.]+" if text == EVERYTHING else "[^.]*".join(re.escape(piece) for piece in text.split("*"))
