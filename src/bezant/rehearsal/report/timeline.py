"""The timeline of a report as one inline SVG: events, lanes, and the series below them on the same axis of time.

It scales from one lane to some hundred and from a handful of points to many thousands: of the points that fall on one
pixel the first, the least, the greatest and the last are drawn, so that no peak is lost.
"""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from typing import Final

from bezant.rehearsal.report.document import Event, Lane, Series, Span, State, Timeline
from bezant.rehearsal.report.numbers import (
    axis_time,
    axis_unit,
    duration_text,
    moment_text,
    number_text,
    time_ticks,
    value_ticks,
)
from bezant.rehearsal.report.style import HATCHED, LINE_COLOURS, STATE_WORDS
from bezant.topology.picture.svg import shortened, text_width

_WIDTH: Final = 1124.0
_LEFT: Final = 196.0
_RIGHT: Final = 70.0
_PLOT: Final = _WIDTH - _LEFT - _RIGHT
_PANEL_HEIGHT: Final = 92.0
_MARK: Final = 9.0
_MARK_ROWS: Final = 4
_FEW_EVENTS: Final = 12
_LANE_HEIGHTS: Final = ((10, 26.0), (20, 21.0), (40, 16.0))
_SMALLEST_LANE: Final = 14.0


def draw_timeline(timeline: Timeline) -> str:
    """Return the SVG element, or nothing when there is nothing to draw."""
    if not (timeline.lanes or timeline.series or timeline.events):
        return ""
    return _Drawing(timeline).finished()


def panels_of(series: Iterable[Series]) -> list[tuple[str, str, list[Series]]]:
    """Return name, unit and series of each panel, in the order of the first series of each."""
    panels: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        panels.setdefault((one.panel or one.name, one.unit), []).append(one)
    return [(name, unit, members) for (name, unit), members in panels.items()]


def swatch(state: State) -> str:
    """Return a small picture of a state for the legend."""
    hatch = f'<rect width="26" height="14" rx="3" fill="url(#hatch-{state})"/>' if state in HATCHED else ""
    return (
        '<svg width="26" height="14" aria-hidden="true" focusable="false">'
        f'<rect width="26" height="14" rx="3" class="{state}"/>{hatch}</svg>'
    )


def patterns() -> str:
    """Return the definitions of the states' patterns; they stand once in a page."""
    cells = "".join(
        f'<pattern id="hatch-{state}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<path d="{path}" class="{state}-hatch" stroke-width="1.6" fill="none"/></pattern>'
        for state, path in HATCHED.items()
    )
    hidden = 'width="0" height="0" style="position:absolute" aria-hidden="true" focusable="false"'
    return f"<svg {hidden}><defs>{cells}</defs></svg>"


class _Drawing:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._end = timeline.end_seconds or 1.0
        self._parts: list[str] = []
        self._marks: list[str] = []

    def finished(self) -> str:
        timeline = self._timeline
        first = self._event_marks(timeline.events) + 10
        y = self._lanes(timeline.lanes, first)
        for name, unit, members in panels_of(timeline.series):
            y = self._panel(name, unit, members, y + (16 if y > first else 0))
        self._time_axis(first, y)
        events = "".join(mark.replace('y2="BOTTOM"', f'y2="{y:.1f}"') for mark in self._marks)
        height = y + 46
        what = f"{len(timeline.lanes)} lanes, {len(timeline.series)} series and {len(timeline.events)} events"
        return (
            f'<svg viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" aria-labelledby="timeline-title timeline-desc">'
            '<title id="timeline-title">Timeline</title>'
            f'<desc id="timeline-desc">{what} over {duration_text(self._end)}; the tables after it say the same.</desc>'
            + "".join(self._parts)
            + events
            + "</svg>"
        )

    def _x(self, seconds: float) -> float:
        return _LEFT + min(max(seconds / self._end, 0.0), 1.0) * _PLOT

    def _event_marks(self, events: Sequence[Event]) -> float:
        """Number the events over the plot, in rows where they come close; return where the rows end."""
        rows = [-1e9] * _MARK_ROWS
        used = 0
        crowd = " many" if len(events) > _FEW_EVENTS else ""
        for number, event in enumerate(sorted(events, key=lambda one: one.at_seconds), 1):
            x = self._x(event.at_seconds)
            half = max(_MARK, text_width(str(number), 11, bold=True) / 2 + 4)
            row = next((row for row, last in enumerate(rows) if x - half > last + 2), None)
            said = escape(f"{moment_text(event.at_seconds)}: {event.text}")
            if row is None:  # no room for its number: the line alone shows the moment
                mark, top = "", 4 + used * (2 * _MARK + 3)
            else:
                rows[row], used = x + half, max(used, row + 1)
                centre = 4 + _MARK + row * (2 * _MARK + 3)
                top = centre + _MARK
                mark = (
                    f'<circle cx="{x:.1f}" cy="{centre:.1f}" r="{_MARK}"/>'
                    f'<text x="{x:.1f}" y="{centre + 4:.1f}" font-size="11" text-anchor="middle">{number}</text>'
                )
            self._marks.append(
                f'<g class="event {event.kind}{crowd}"><title>{said}</title>'
                f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="BOTTOM"/>{mark}</g>'
            )
        if used:
            self._text(_LEFT - 14, 4 + _MARK + 4, "events", size=12, anchor="end", style="muted")
        return 4 + used * (2 * _MARK + 3)

    def _lanes(self, lanes: Sequence[Lane], y: float) -> float:
        height = next((height for most, height in _LANE_HEIGHTS if len(lanes) <= most), _SMALLEST_LANE)
        gap = 5.0 if height > _SMALLEST_LANE else 2.0
        size = min(13.0, height * 0.72)
        for lane in lanes:
            self._text(_LEFT - 14, y + height / 2 + size * 0.36, lane.name, size=size, anchor="end", width=_LEFT - 24)
            self._parts.append(
                f'<rect x="{_LEFT}" y="{y:.1f}" width="{_PLOT:.1f}" height="{height:.1f}" rx="3" class="panel"/>'
            )
            for span in lane.spans:
                self._span(lane, span, y, height, size)
            y += height + gap
        return y - gap if lanes else y

    def _span(self, lane: Lane, span: Span, y: float, height: float, size: float) -> None:
        x, end = self._x(span.start_seconds), self._x(span.end_seconds)
        width = max(end - x, 1.5)
        box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{min(3.0, width / 2):g}"'
        said = f"{lane.name}: {STATE_WORDS[span.kind]}{f', {span.label}' if span.label else ''}, "
        said += f"{moment_text(span.start_seconds)} to {moment_text(span.end_seconds)}"
        hatch = f'<rect {box} fill="url(#hatch-{span.kind})"/>' if span.kind in HATCHED else ""
        inside = min(size, 12.0)
        label = ""
        if span.label and height >= _SMALLEST_LANE and text_width(span.label, inside) <= width - 10:
            label = (
                f'<text x="{x + 6:.1f}" y="{y + height / 2 + inside * 0.36:.1f}" font-size="{inside:g}" '
                f'class="{span.kind}-ink">{escape(span.label)}</text>'
            )
        if hatch and label:  # a plain strip behind the words keeps them readable
            strip = text_width(span.label, inside) + 8
            hatch += (
                f'<rect x="{x + 2:.1f}" y="{y + 2:.1f}" width="{strip:.1f}" height="{height - 4:.1f}" rx="2" '
                f'class="{span.kind}"/>'
            )
        self._parts.append(f'<g><title>{escape(said)}</title><rect {box} class="span {span.kind}"/>{hatch}{label}</g>')

    def _panel(self, name: str, unit: str, members: Sequence[Series], y: float) -> float:
        values = [value for series in members for _, value in series.points]
        limits = [series.limit for series in members if series.limit is not None]
        ticks = value_ticks(min([0.0, *values]), max([*values, *limits], default=1.0) or 1.0)
        bottom, top_value = ticks[0], ticks[-1]

        def at(value: float) -> float:
            return y + _PANEL_HEIGHT - (value - bottom) / (top_value - bottom) * _PANEL_HEIGHT

        self._parts.append(
            f'<rect x="{_LEFT}" y="{y:.1f}" width="{_PLOT:.1f}" height="{_PANEL_HEIGHT}" rx="3" class="panel"/>'
        )
        for tick in ticks:
            self._line(_LEFT, at(tick), _LEFT + _PLOT, at(tick), style="grid")
            self._text(_LEFT + _PLOT + 8, at(tick) + 4, number_text(tick), size=11.5, style="muted")
        self._text(_LEFT - 14, y + 13, name, size=13, anchor="end", width=_LEFT - 24, bold=True)
        self._text(_LEFT - 14, y + 29, unit, size=12, anchor="end", width=_LEFT - 24, style="muted")
        for number, series in enumerate(members):
            colour = f"line-{number % LINE_COLOURS}"
            if len(members) > 1:
                self._text(
                    _LEFT - 14, y + 46 + 15 * number, f"— {series.name}", size=12, anchor="end", width=_LEFT - 24,
                    style=f"{colour}-ink",
                )  # fmt: skip
            points = [(self._x(seconds), at(value)) for seconds, value in series.points]
            if points:
                # a stepped value holds until it changes, the last one until the end
                path = _path(_thinned(points), holds_until=self._x(self._end) if series.is_stepped else None)
                self._parts.append(
                    f'<path d="{path}" fill="none" class="{colour}" stroke-width="1.8" stroke-linejoin="round"/>'
                )
        for called, limit in sorted({(one.limit_name, one.limit) for one in members if one.limit is not None}):
            said = f"{called} {number_text(limit)} {unit}".rstrip()
            self._line(_LEFT, at(limit), _LEFT + _PLOT, at(limit), style="limit")
            self._text(_LEFT + _PLOT - 6, at(limit) - 5, said, size=11, anchor="end", style="limit-text halo")
        return y + _PANEL_HEIGHT

    def _time_axis(self, top: float, y: float) -> None:
        ticks = "".join(
            f'<line x1="{self._x(at):.1f}" y1="{top:.1f}" x2="{self._x(at):.1f}" y2="{y + 5:.1f}" class="grid"/>'
            for at in time_ticks(self._end)
        )
        # under everything else: the grid must not cut the spans
        self._parts.insert(0, ticks)
        self._line(_LEFT, y + 5, _LEFT + _PLOT, y + 5, style="axis")
        for at in time_ticks(self._end):
            self._text(self._x(at), y + 21, axis_time(at, self._end), size=12, anchor="middle", style="muted")
        self._text(_LEFT + _PLOT / 2, y + 39, axis_unit(self._end), size=12, anchor="middle", style="muted")

    def _text(
        self, x: float, y: float, text: str, *, size: float, anchor: str = "start", width: float | None = None,
        style: str = "", bold: bool = False,
    ) -> None:  # fmt: skip
        shown = text if width is None else shortened(text, size, width, bold=bold)
        weight = ' font-weight="600"' if bold else ""
        kind = f' class="{style}"' if style else ""
        full = f"<title>{escape(text)}</title>" if shown != text else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"{weight}{kind}>'
            f"{escape(shown)}{full}</text>"
        )

    def _line(self, x1: float, y1: float, x2: float, y2: float, *, style: str) -> None:
        self._parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>')


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most four points for each pixel of width: the first, the extremes in their order, the last."""
    kept: list[tuple[float, float]] = []
    for _, column in groupby(points, key=lambda point: int(point[0])):
        there = list(column)
        if len(there) > 4:
            low = min(range(len(there)), key=lambda index: there[index][1])
            high = max(range(len(there)), key=lambda index: there[index][1])
            there = [there[index] for index in sorted({0, low, high, len(there) - 1})]
        kept += there
    return kept


def _path(points: Sequence[tuple[float, float]], *, holds_until: float | None) -> str:
    x, y = points[0]
    if holds_until is not None:
        return f"M{x:.1f} {y:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in points[1:]) + f"H{holds_until:.1f}"
    if len(points) == 1:  # a line of no length would not be seen
        return f"M{x - 2.5:.1f} {y:.1f}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0"
    return f"M{x:.1f} {y:.1f}" + "".join(f"L{x:.1f} {y:.1f}" for x, y in points[1:])
