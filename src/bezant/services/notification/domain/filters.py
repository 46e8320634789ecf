"""Which events an endpoint asked for.

A filter is an event type (``payment.captured``), a family (``payment.*``) or everything (``*``).
"""

import re
from collections.abc import Iterable
from typing import Final

EVERYTHING: Final = "*"
_FILTER: Final = re.compile(r"^(\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*(\.[a-z0-9_]+)*))$")


def is_filter(text: str) -> bool:
    """Return whether a text can be used as a filter."""
    return _FILTER.match(text) is not None


def matches(filters: Iterable[str], event_type: str) -> bool:
    """Return whether one of the filters lets this event type through."""
    family = event_type.partition(".")[0] + ".*"
    return any(each in (EVERYTHING, event_type, family) for each in filters)
