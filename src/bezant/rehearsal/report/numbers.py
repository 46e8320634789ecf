"""Numbers and times as the reports show them, and the round steps of their axes."""

import math
from typing import Final

_TIME_STEPS: Final = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400,
)  # fmt: skip
_MINUTES_FROM: Final = 180
_HOURS_FROM: Final = 4 * 3600


def number_text(value: float | str) -> str:
    """Return a number with separators for thousands and at most four significant digits after rounding."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}".rstrip("0").rstrip(".")


def duration_text(seconds: float | None) -> str:
    """Return a duration in words: `12.3 s`, `2 min 05 s`, `1 h 20 min`; `never` for none."""
    if seconds is None:
        return "never"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def axis_time(seconds: float, end_seconds: float) -> str:
    """Return a moment as an axis that long writes it."""
    if end_seconds < _MINUTES_FROM:
        return f"{seconds:g}"
    whole = round(seconds)
    if end_seconds < _HOURS_FROM:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}"


def axis_unit(end_seconds: float) -> str:
    """Return what the numbers of `axis_time` are."""
    if end_seconds < _MINUTES_FROM:
        return "seconds since the beginning"
    return "minutes:seconds since the beginning" if end_seconds < _HOURS_FROM else "hours:minutes since the beginning"


def moment_text(seconds: float) -> str:
    """Return a moment in a list of events."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d} h"


def time_ticks(end_seconds: float, most: int = 12) -> list[float]:
    """Return round moments from 0 to the end, at most so many."""
    step = next((one for one in _TIME_STEPS if end_seconds / one <= most), _TIME_STEPS[-1])
    while end_seconds / step > most:
        step *= 2
    return [round(number * step, 6) for number in range(int(end_seconds / step + 1e-9) + 1)]


def value_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return round values that cover the range: the first is at or below `low`, the last at or above `high`."""
    width = max(high - low, 1e-9)
    magnitude = 10.0 ** math.floor(math.log10(width / most))
    step = next(magnitude * factor for factor in (1, 2, 2.5, 5, 10) if width / (magnitude * factor) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 9) for number in range(first, max(last, first + 1) + 1)]
