"""A report as one self-contained HTML page: no network, no scripts, light and dark, the same template for all.

Everything that comes from the report is escaped. What the timeline draws stands below it again as tables, for those who
do not see the picture; both can be reached and scrolled by keyboard.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import islice
from statistics import fmean

from bezant.rehearsal.report.document import Event, Figure, Promise, Report, Series, State, Table, Timeline
from bezant.rehearsal.report.numbers import duration_text, moment_text, number_text
from bezant.rehearsal.report.style import STATE_WORDS, style_sheet
from bezant.rehearsal.report.timeline import draw_timeline, patterns, swatch

_EVENTS_SHOWN = 40
_ROWS_OF_A_SERIES = 60
_LABELS_IN_LEGEND = 3


def page(report: Report) -> str:
    """Return the HTML document."""
    title = f"{report.title} · Bezant"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>\n{style_sheet()}</style></head><body><main>{patterns()}"
        + "".join(_sections(report))
        + "</main></body></html>\n"
    )


def _sections(report: Report) -> Iterator[str]:
    yield f"<header><h1>{escape(report.title)}</h1>"
    told = [f"bezant rehearse {report.rehearsal}", report.started_at, f"took {duration_text(report.duration_seconds)}"]
    if report.model is not None:
        told.insert(1, f"model {report.model}")
    yield f'<p class="meta">{escape(" · ".join(told))}</p></header>'
    yield from _promises(report)
    if report.figures:
        yield "<section><h2>Figures</h2>" + _figures(report.figures) + "</section>"
    yield from _timeline(report.timeline)
    if report.tables:
        yield "<section><h2>Results</h2>"
        yield "".join(_table(table) + "<p></p>" for table in report.tables)
        yield "</section>"
    if report.settings:
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.settings.items())
        yield f'<section><h2>Settings</h2><dl class="settings">{rows}</dl></section>'
    yield "<footer>Written by <code>bezant rehearse</code>. The same figures as JSON: <code>--json</code>.</footer>"


def _promises(report: Report) -> Iterator[str]:
    broken = sum(not promise.kept for promise in report.promises)
    if report.kept:
        count = len(report.promises)
        verdict = "Every promise was kept" if count > 1 else "The promise was kept"
    elif not report.promises:
        verdict = "No promise was judged"
    else:
        verdict = f"{broken} of {len(report.promises)} promises broken"
    kind, mark = ("kept", "✓") if report.kept else ("broken", "✗")
    yield f'<p class="verdict {kind}"><span aria-hidden="true">{mark}</span> {verdict}</p>'
    if report.promises:
        yield '<ul class="promises">' + "".join(map(_promise, report.promises)) + "</ul>"


def _promise(promise: Promise) -> str:
    kind, mark = ("kept", "✓ kept") if promise.kept else ("broken", "✗ broken")
    return (
        f'<li class="{kind}"><span class="mark">{mark}</span><span>{escape(promise.text)}</span>'
        f'<span class="figure">{escape(promise.figure)}</span></li>'
    )


def _figures(figures: Sequence[Figure]) -> str:
    cards = "".join(
        f"<div><dt>{escape(figure.name)}</dt><dd>{escape(number_text(figure.value))} "
        f"<span>{escape(figure.unit)}</span></dd></div>"
        for figure in figures
    )
    return f'<dl class="figures">{cards}</dl>'


def _timeline(timeline: Timeline) -> Iterator[str]:
    drawn = draw_timeline(timeline)
    if not drawn:
        return
    yield "<section><h2>Timeline</h2>" + _legend(timeline)
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="Timeline, scrolls sideways">{drawn}</div>'
    yield _events(timeline.events)
    yield "".join(_alternatives(timeline))
    yield "</section>"


def _legend(timeline: Timeline) -> str:
    labels: dict[State, list[str]] = {}
    for lane in timeline.lanes:
        for span in lane.spans:
            known = labels.setdefault(span.kind, [])
            if span.label and span.label not in known:
                known.append(span.label)
    items = []
    for state in State:
        if state in labels:
            named = ", ".join(labels[state]) if len(labels[state]) <= _LABELS_IN_LEGEND else ""
            words = STATE_WORDS[state] + (f": {named}" if named and state in (State.STABLE, State.NEXT) else "")
            items.append(f"<li>{swatch(state)}{escape(words)}</li>")
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def _events(events: Sequence[Event]) -> str:
    if not events:
        return ""
    items = "".join(
        f'<li><span class="badge {event.kind}">{number}</span><span class="at">{moment_text(event.at_seconds)}</span>'
        f"<span>{escape(event.text)}</span></li>"
        for number, event in enumerate(sorted(events, key=lambda one: one.at_seconds), 1)
    )
    listed = f'<ol class="events">{items}</ol>'
    if len(events) <= _EVENTS_SHOWN:
        return listed
    return f"<details><summary>{len(events)} events</summary>{listed}</details>"


def _alternatives(timeline: Timeline) -> Iterator[str]:
    if timeline.lanes:
        rows = [
            [lane.name, STATE_WORDS[span.kind], span.label, moment_text(span.start_seconds),
             moment_text(span.end_seconds)]
            for lane in timeline.lanes for span in lane.spans
        ]  # fmt: skip
        table = Table("Every lane", ["lane", "state", "label", "from", "until"], rows)
        yield f"<details><summary>The lanes as a table</summary>{_table(table)}</details>"
    if timeline.series:
        tables = "".join(_table(_series_table(series)) for series in timeline.series)
        yield f"<details><summary>The series as tables</summary>{tables}</details>"


def _series_table(series: Series) -> Table:
    """Return the points, or the mean, least and greatest of as many equal groups as rows are shown."""
    title = f"{series.name}, {series.unit}" if series.unit else series.name
    if len(series.points) <= _ROWS_OF_A_SERIES:
        return Table(title, ["at", "value"], [[moment_text(at), number_text(value)] for at, value in series.points])
    size = -(-len(series.points) // _ROWS_OF_A_SERIES)
    points = iter(series.points)
    rows = []
    while group := list(islice(points, size)):
        values = [value for _, value in group]
        rows.append([moment_text(group[0][0]), *(number_text(f(values)) for f in (fmean, min, max))])
    columns = ["from", "mean", "least", "greatest"]
    return Table(f"{title}: {len(series.points)} points in groups of {size}", columns, rows)


def _table(table: Table) -> str:
    numeric = [
        bool(table.rows) and all(_is_number(row[column]) for row in table.rows) for column in range(len(table.columns))
    ]
    kinds = [' class="number"' if is_number else "" for is_number in numeric]
    named = zip(table.columns, kinds, strict=True)
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in named)
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}"><table>'
        f"<caption>{escape(table.title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "", 1).removeprefix("-").isdigit()
