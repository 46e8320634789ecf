"""The goals as a picture: a bar for each, as long as the goal is met; the line is the goal."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.goals import Row

_ROW, _LEFT, _UNIT, _MOST, _WIDTH = 26, 420, 180, 2.0, 980
_MET, _MISSED, _TEXT, _LINE = "#3f7d58", "#b5533c", "#222", "#888"
_HEAD: Final = 40


def picture(rows: "Sequence[Row]") -> str:
    """Return an SVG. A bar ends at twice the goal, however far beyond that it was."""
    height = _HEAD + _ROW * len(rows) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_LEFT + _UNIT}" y="22" fill="{_TEXT}" text-anchor="middle">the goal</text>',
        f'<line x1="{_LEFT + _UNIT}" x2="{_LEFT + _UNIT}" y1="28" y2="{height - 8}" stroke="{_LINE}"/>',
    ]
    for place, row in enumerate(rows):
        y = _HEAD + place * _ROW
        length = max(2.0, min(row.ratio, _MOST) * _UNIT)
        colour = _MET if row.ratio >= 1 else _MISSED
        told = f"{row.measured:,.4g} {row.unit} (goal {row.goal:,.4g})"
        parts += [
            f'<text x="{_LEFT - 10}" y="{y + 14}" fill="{_TEXT}" text-anchor="end">{escape(row.what)}</text>',
            f'<rect x="{_LEFT}" y="{y + 2}" width="{length:.1f}" height="16" fill="{colour}"/>',
            f'<text x="{_LEFT + _MOST * _UNIT + 10}" y="{y + 14}" fill="{_TEXT}">{escape(told)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
