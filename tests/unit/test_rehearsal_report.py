"""The one report of all rehearsals: its document, its page, and that the page holds at any size."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest

from bezant.rehearsal.report.document import (
    Event,
    Figure,
    Lane,
    Promise,
    Report,
    Series,
    Span,
    State,
    Table,
    Timeline,
    from_json,
    schema,
    to_json,
)
from bezant.rehearsal.report.numbers import duration_text, number_text, time_ticks, value_ticks
from bezant.rehearsal.report.page import page
from bezant.rehearsal.report.timeline import draw_timeline

HOSTILE = "<script>alert('x')</script> & \"quoted\""


def _report(text: str = "payment", *, lanes: int = 3, points: int = 40, kept: bool = True) -> Report:
    spans = [Span(0, 10, text, State.STABLE), Span(10, 12, "", State.STARTING), Span(12, 60, text, State.NEXT)]
    return Report(
        rehearsal=text,
        title=text,
        model=text,
        started_at="2026-11-23T20:00:00+00:00",
        duration_seconds=61.5,
        settings={text: text},
        promises=[Promise(text, True, text), Promise("no request fails", kept, text)],
        figures=[Figure(text, 20431, text), Figure("p99", 131.234, "ms")],
        tables=[Table(text, [text, "n"], [[text, "1,200"], [text, "3"]])],
        timeline=Timeline(
            [Lane(f"{text}-{number}", spans) for number in range(lanes)],
            [Series(text, text, [(60 * n / points, float(n % 7)) for n in range(points)], limit=5)],
            [Event(number * 1.5, text, "bad") for number in range(lanes)],
        ),
    )


class _Page(HTMLParser):
    """Checks that elements nest, and keeps what a test asks about."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_report_without_a_judged_promise_keeps_none() -> None:
    bare = Report("autoscale", "title", None, "2026-11-23T20:00:00+00:00", 1.0)
    assert not bare.kept
    assert "No promise was judged" in page(bare)
    assert _report().kept
    assert not _report(kept=False).kept


def test_the_document_is_of_its_schema_and_comes_back_as_it_was() -> None:
    report = _report()
    document = json.loads(to_json(report))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())
    assert (document["format"], document["kept"]) == ("bezant.rehearsal/1", True)
    assert from_json(to_json(report)) == report
    del document["promises"][0]["figure"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())
    with pytest.raises(msgspec.ValidationError):
        from_json(json.dumps(document).encode())


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        Table("t", ["one"], [["a", "b"]])


def test_nothing_in_a_report_becomes_markup_or_reaches_out() -> None:
    text = page(_report(HOSTILE, kept=False))
    assert "<script" not in text.replace("&lt;script", "")
    assert not re.search(r"(?:src|href)\s*=|https?:|@import|url\((?!#)", text), "it needs nothing from elsewhere"
    assert "default-src 'none'" in text
    parsed = _Page()
    parsed.feed(text)
    assert parsed.open == []


def test_the_page_can_be_read_without_the_picture_and_without_a_mouse() -> None:
    text = page(_report())
    parsed = _Page()
    parsed.feed(text)
    tags = [tag for tag, _ in parsed.seen]
    scrolling = [attributes for _, attributes in parsed.seen if attributes.get("class") == "scroll"]
    assert all(
        one.get("tabindex") == "0" and one.get("role") == "region" and one.get("aria-label") for one in scrolling
    )
    assert {"title", "desc", "caption", "summary"} <= set(tags)
    picture = next(attributes for tag, attributes in parsed.seen if tag == "svg" and attributes.get("role") == "img")
    ids = {attributes["id"] for _, attributes in parsed.seen if "id" in attributes}
    assert set((picture["aria-labelledby"] or "").split()) <= ids
    assert "The lanes as a table" in text
    assert "The series as tables" in text
    assert text.count("payment-2") >= 2, "the lane stands in the picture and in the table"


@pytest.mark.parametrize(("lanes", "points"), [(1, 1), (10, 300), (60, 20_000), (120, 5)])
def test_the_timeline_holds_at_any_size(lanes: int, points: int) -> None:
    drawn = draw_timeline(_report(lanes=lanes, points=points).timeline)
    root = ElementTree.fromstring(drawn)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for rect in root.iter("rect"):
        assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= width
        assert float(rect.attrib["y"]) + float(rect.attrib["height"]) <= height
    assert len(drawn) < 40_000 + 2_000 * lanes, "points that fall on one pixel are not all drawn"


def test_a_peak_among_thousands_of_points_is_drawn() -> None:
    flat = [(n / 100, 1.0) for n in range(50_000)]
    peaked = [*flat[:31_234], (312.34, 900.0), *flat[31_235:]]
    heights = {
        name: min(float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", draw_timeline(Timeline([], [series]))))
        for name, series in {
            "peaked": Series("a", "ms", peaked),
            "flat": Series("a", "ms", [*flat, (500.0, 1.0)], limit=900.0),
        }.items()
    }
    assert heights["peaked"] < heights["flat"] - 50


def test_the_words_of_an_event_stand_as_they_are() -> None:
    assert "0.0 s: BOTTOM of the list" in draw_timeline(Timeline(events=[Event(0, "BOTTOM of the list")]))


def test_a_lane_tells_its_version_and_an_event_its_words() -> None:
    drawn = draw_timeline(_report("1.2.4").timeline)
    assert "serving, new version, 1.2.4, 12.0 s to 1:00 min" in drawn
    assert "1.5 s: 1.2.4" in drawn
    assert draw_timeline(Timeline()) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (20431, "20,431"), (0.0004, "0.0004"), (131.234, "131.2"), (99.996, "100"), (1.5, "1.5"), ("go", "go")],
)
def test_numbers_are_written_for_people(value: float | str, text: str) -> None:
    assert number_text(value) == text


def test_durations_and_axes_have_round_numbers() -> None:
    assert [duration_text(one) for one in (None, 0, 4.25, 59.99, 60, 3700)] == [
        "never", "0 s", "4.2 s", "60 s", "1 min 00 s", "1 h 01 min",
    ]  # fmt: skip
    assert time_ticks(60) == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]
    assert time_ticks(1665) == [0, 300, 600, 900, 1200, 1500]
    assert value_ticks(0, 85) == [0, 25, 50, 75, 100]
    assert value_ticks(0, 0.0004) == [0, 0.0001, 0.0002, 0.0003, 0.0004]


def test_a_single_point_is_seen_and_a_stepped_value_holds_until_the_end() -> None:
    lane = Lane("payment-0", [Span(0, 100, "1", State.STABLE)])
    drawn = draw_timeline(
        Timeline(
            [lane], [Series("once", "ms", [(50, 7)]), Series("pods", "pods", [(0, 6), (50, 7)], is_stepped=True)], []
        )
    )
    paths = re.findall(r'<path d="(M[^"]+)"', drawn)
    ring = next(path for path in paths if "a2.5" in path)
    stepped = next(path for path in paths if "V" in path)
    end = float(stepped.rpartition("H")[2])
    middle = float(stepped.split("H")[1].split("V")[0])
    assert end - middle == pytest.approx(middle - float(stepped[1:].split()[0]), abs=0.2)
    assert float(ring[1:].split()[0]) == pytest.approx(middle - 2.5, abs=0.2)
