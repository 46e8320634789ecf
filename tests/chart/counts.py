"""What each tool has looked at in this run, printed at its end."""

from collections import defaultdict
from typing import Final

COUNTS: Final[defaultdict[str, dict[str, str]]] = defaultdict(dict)


def record(tool: str, what: str, counted: str) -> None:
    """Note what a tool has counted; the latest note about the same thing stands."""
    COUNTS[tool][what] = counted
