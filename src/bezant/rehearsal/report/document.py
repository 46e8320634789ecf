"""What every rehearsal leaves behind: promises and whether they were kept, figures, tables, and a timeline.

One form for all, so that the terminal, the JSON document and the HTML page (`report_page`) need not know which
rehearsal it was. All times of a timeline are seconds since the rehearsal began. `docs/rehearsals.md` describes the
document; `schema()` is its JSON Schema.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

FORMAT: Final = "bezant.rehearsal/1"
"""Names the form of the document. Fields are only ever added to it."""


class State(StrEnum):
    """How something on a lane is, over a span of time. Each has its colour, and its pattern, on the page."""

    STABLE = "stable"
    """Serving: the version that was there first, or the only one."""
    NEXT = "next"
    """Serving: the version that is rolled out."""
    STARTING = "starting"
    DRAINING = "draining"
    WAITING = "waiting"
    """Wanted, and without a place: a pending pod, a node that is being made."""
    PAUSED = "paused"
    """Alive and not answering."""
    DOWN = "down"
    FAULT = "fault"
    """The time in which a fault is kept up."""
    PHASE = "phase"
    """A part of the rehearsal itself: a step, a load."""


EventKind = Literal["info", "change", "good", "bad"]


class Promise(msgspec.Struct, frozen=True):
    """One promise, whether it was kept, and the figure that shows it."""

    text: str
    kept: bool
    figure: str


class Figure(msgspec.Struct, frozen=True):
    """One number worth knowing."""

    name: str
    value: float | int | str
    unit: str = ""


class Table(msgspec.Struct, frozen=True):
    """A table: each row has as many cells as there are columns."""

    title: str
    columns: list[str]
    rows: list[list[str]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: {len(row)} cells for {len(self.columns)} columns: {row}")


class Span(msgspec.Struct, frozen=True):
    """From when until when something was in a state; the label is its version, or what held it."""

    start_seconds: float
    end_seconds: float
    label: str
    kind: State


class Lane(msgspec.Struct, frozen=True):
    """One pod, process or node over time."""

    name: str
    spans: list[Span]


class Series(msgspec.Struct, frozen=True):
    """A measured value over time: points of seconds and value. Series of the same panel share an axis."""

    name: str
    unit: str
    points: list[tuple[float, float]]
    panel: str = ""
    """Empty: a panel of its own."""
    limit: float | None = None
    """A value that was promised not to be passed, or that is aimed at, drawn as a line."""
    limit_name: str = "limit"
    is_stepped: bool = False
    """Whether a value holds until the next point, as a number of pods does."""


class Event(msgspec.Struct, frozen=True):
    """Something that happened at a moment."""

    at_seconds: float
    text: str
    kind: EventKind = "info"


class Timeline(msgspec.Struct, frozen=True):
    """Lanes, series and events over one axis of time."""

    lanes: list[Lane] = []
    series: list[Series] = []
    events: list[Event] = []

    @property
    def end_seconds(self) -> float:
        """The last moment that anything is told of."""
        return max(
            [
                0.0,
                *(span.end_seconds for lane in self.lanes for span in lane.spans),
                *(at for series in self.series for at, _ in series.points),
                *(event.at_seconds for event in self.events),
            ]
        )


class Report(msgspec.Struct, frozen=True):
    """What a rehearsal has shown."""

    rehearsal: str
    """The command: `autoscale`, `rolling`, `canary`, `chaos`."""
    title: str
    model: str | None
    started_at: str
    """ISO 8601 with the offset, in UTC."""
    duration_seconds: float
    """How long it really took; simulated time stands in the timeline."""
    settings: dict[str, str] = {}
    promises: list[Promise] = []
    figures: list[Figure] = []
    tables: list[Table] = []
    timeline: Timeline = Timeline()

    @property
    def kept(self) -> bool:
        """Whether every promise was kept. A rehearsal that judged none has kept none."""
        return bool(self.promises) and all(promise.kept for promise in self.promises)


def now_text() -> str:
    """Return the present moment as `started_at` wants it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def to_json(report: Report) -> bytes:
    """Return the document: the report's fields, its format, and `kept`."""
    document = {"format": FORMAT, "kept": report.kept, **msgspec.to_builtins(report)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def from_json(document: bytes) -> Report:
    """Read a document back. Raises `msgspec.ValidationError` when it is no report."""
    return msgspec.json.decode(document, type=Report)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the document (draft 2020-12)."""
    schemas, components = msgspec.json.schema_components([Report], ref_template="#/$defs/{name}")
    report = components["Report"]
    report["properties"] = {
        "format": {"const": FORMAT},
        "kept": {"type": "boolean", "description": "Whether every promise was kept."},
        **report["properties"],
    }
    report["required"] = ["format", "kept", *report["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schemas[0], "$defs": components}
