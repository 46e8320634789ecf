"""A small SVG writer: rectangles, lines and text that fits."""

from html import escape
from typing import Final

FONT: Final = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
INK: Final = "#172033"
MUTED: Final = "#5b6780"
LINE: Final = "#cfd6e2"
PAPER: Final = "#ffffff"
RED: Final = "#c2362b"

_NARROW: Final = frozenset("ijlt.,:;|!'()[]{}fr I/-")
_WIDE: Final = frozenset("mwMWQGO@%")


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return about how wide the text will be, on the wide side, since the reader's font is not known."""
    units = sum(
        0.36 if char in _NARROW else 0.9 if char in _WIDE else 0.68 if char.isupper() else 0.58 for char in text
    )
    return units * size * (1.07 if bold else 1.0)


def shortened(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """Return the text, cut with an ellipsis if it is wider than that."""
    if text_width(text, size, bold=bold) <= width:
        return text
    while text and text_width(text + "…", size, bold=bold) > width:
        text = text[:-1]
    return text.rstrip() + "…"


class Canvas:
    """Collects elements; `finished` gives the document."""

    def __init__(self) -> None:
        self._elements: list[str] = []

    def box(
        self, x: float, y: float, width: float, height: float, *, fill: str = PAPER, stroke: str = LINE,
        radius: float = 6, dashed: bool = False, line: float = 1, opacity: float = 1,
    ) -> None:  # fmt: skip
        """Draw a rectangle with round corners."""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        dash += f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
        self._elements.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" rx="{radius}" '
            f'fill="{fill}" stroke="{stroke}" stroke-width="{line}"{dash}/>'
        )

    def text(
        self, x: float, y: float, text: str, *, size: float = 13, fill: str = INK, bold: bool = False,
        anchor: str = "start", width: float | None = None,
    ) -> None:  # fmt: skip
        """Write a line of text on the baseline y; with a width it is cut to fit."""
        shown = text if width is None else shortened(text, size, width, bold=bold)
        weight = ' font-weight="600"' if bold else ""
        self._elements.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}" text-anchor="{anchor}"{weight}>'
            f"{escape(shown)}</text>"
        )

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, stroke: str = LINE, width: float = 1, dashed: bool = False,
        arrow: bool = False,
    ) -> None:  # fmt: skip
        """Draw a line, with an arrow head at its end if asked."""
        dash = ' stroke-dasharray="6 5"' if dashed else ""
        head = ' marker-end="url(#arrow)"' if arrow else ""
        self._elements.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
            f'stroke-width="{width}"{dash}{head}/>'
        )

    def chip(self, x: float, y: float, width: float, height: float, label: str, *, fill: str, ink: str) -> None:
        """Draw a small filled box with a centred label."""
        self.box(x, y, width, height, fill=fill, stroke="none", radius=4)
        if label:
            size = min(11.0, height * 0.6)
            self.text(x + width / 2, y + height / 2 + size * 0.36, label, size=size, fill=ink, anchor="middle",
                      width=width - 2)  # fmt: skip

    def absorb(self, other: "Canvas") -> None:
        """Draw another canvas's elements over what is here."""
        self._elements += other._elements

    def finished(self, width: float, height: float, *, title: str) -> str:
        """Return the SVG document on white paper."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{escape(FONT)}" role="img">'
            f"<title>{escape(title)}</title>"
            '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" fill="{MUTED}"/></marker></defs>'
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="{PAPER}"/>' + "".join(self._elements) + "</svg>\n"
        )
