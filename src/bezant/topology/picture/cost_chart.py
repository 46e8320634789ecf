"""The bill as a chart: for each section what is stated, what is drawn at list prices, and the chosen deployment."""

from typing import Final

from bezant.topology.cost.comparison import ComparedLine, Comparison
from bezant.topology.cost.money_range import MoneyRange
from bezant.topology.picture.svg import INK, LINE, MUTED, PAPER, RED, Canvas, text_width

_SERIES: Final = (("stated", "#aab4c5"), ("as drawn, list prices", "#e39b23"), ("chosen", "#3157d5"))
_LEFT: Final = 250.0
_RIGHT: Final = 210.0
_WIDTH: Final = 1280.0
_BAR: Final = 15.0


def draw_cost(comparison: Comparison) -> str:
    """Return the chart as SVG. A bar ends at the low end; what is paler reaches the high end."""
    canvas = Canvas()
    canvas.text(40, 48, "What a month costs, in US dollars", size=24, bold=True)
    name = comparison.chosen.model
    canvas.text(40, 74, _subtitle(comparison), size=14, fill=MUTED)
    x = 40.0
    for series, colour in _SERIES:
        label = name if series == "chosen" else series
        canvas.box(x, 92, 16, 16, fill=colour, stroke="none", radius=3)
        canvas.text(x + 24, 105, label, size=13.5)
        x += 24 + text_width(label, 13.5) + 28
    rows = [section.total for section in comparison.sections]
    largest = max(1.0, *(value for row in rows for value in _highs(row)))
    step = _step(largest)
    scale = (_WIDTH - _LEFT - _RIGHT) / largest
    top, height = 136.0, 3 * _BAR + 26
    bottom = top + len(rows) * height
    value = 0.0
    while value <= largest:
        at = _LEFT + value * scale
        canvas.line(at, top - 8, at, bottom, stroke=LINE)
        canvas.text(at, bottom + 18, f"${value:,.0f}", size=12, fill=MUTED, anchor="middle")
        value += step
    for number, row in enumerate(rows):
        _row(canvas, row, top + number * height, scale)
    total = comparison.total
    end = bottom + 62
    canvas.box(40, end - 26, _WIDTH - 80, 46, fill="#f4f6fa", stroke="none", radius=8)
    canvas.text(58, end + 3, "Total", size=15, bold=True)
    stated = "nothing stated" if total.stated is None else f"stated ${total.stated:,.0f}"
    canvas.text(_LEFT, end + 3, stated, size=14)
    canvas.text(_LEFT + 230, end + 3, f"as drawn {total.drawn.text() if total.drawn else ''}", size=14)
    canvas.text(_WIDTH - 58, end + 3, f"{name} {total.chosen.text() if total.chosen else ''}", size=14, bold=True,
                anchor="end", width=_WIDTH - _LEFT - 560)  # fmt: skip
    return canvas.finished(_WIDTH, end + 44, title=f"Cost of {name}")


def _subtitle(comparison: Comparison) -> str:
    per = comparison.chosen.per_tenant
    words = f"{comparison.chosen.tenants} tenants"
    if per is not None:
        words += f", {per.text()} each"
    thousand = comparison.chosen.per_thousand_payments
    return words if thousand is None else f"{words}; {thousand.text(2)} for a thousand payments"


def _highs(row: ComparedLine) -> list[float]:
    return [row.stated or 0.0, row.drawn.high if row.drawn else 0.0, row.chosen.high if row.chosen else 0.0]


def _row(canvas: Canvas, row: ComparedLine, y: float, scale: float) -> None:
    canvas.text(_LEFT - 16, y + 1.5 * _BAR + 8, row.item, size=14, bold=True, anchor="end", width=_LEFT - 60)
    stated = None if row.stated is None else MoneyRange(row.stated, row.stated)
    for number, (amount, (_, colour)) in enumerate(zip((stated, row.drawn, row.chosen), _SERIES, strict=True)):
        top = y + number * (_BAR + 3)
        if amount is None:
            canvas.text(_LEFT + 6, top + 12, "no line", size=12, fill=RED)
            continue
        if amount.entirely_unknown:
            canvas.box(_LEFT, top, 34, _BAR, fill=PAPER, stroke=colour, radius=2, dashed=True)
            canvas.text(_LEFT + 42, top + 12, "unknown", size=12, fill=RED)
            continue
        if amount.high > amount.low:
            canvas.box(_LEFT, top, amount.high * scale, _BAR, fill=colour, stroke="none", radius=2, opacity=0.4)
        canvas.box(_LEFT, top, amount.low * scale, _BAR, fill=colour, stroke="none", radius=2)
        canvas.text(_LEFT + amount.high * scale + 8, top + 12, amount.text(), size=12, fill=INK)


def _step(largest: float) -> float:
    """Return a round distance of grid lines, five to ten of them."""
    step = 1.0
    while largest / step > 10:
        step *= 2 if str(step)[0] in "15" else 2.5
    return step
