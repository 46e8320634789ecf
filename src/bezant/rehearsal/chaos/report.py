"""The rehearsal of faults as a report: which promises held under which fault, with the figures that show it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import structs

from bezant.rehearsal.chaos.rounds import RECOVERY_SECONDS, Course, Inflicted
from bezant.rehearsal.ledger import LEAST_SUCCESSFUL, Ledger
from bezant.rehearsal.load import Outcome, by_second, failed, p99_milliseconds, percentile
from bezant.rehearsal.report.document import Event, Figure, Lane, Promise, Report, Series, Span, State, Table, Timeline
from bezant.rehearsal.report.numbers import duration_text, number_text

OTHERS_FAILED_PERCENT: Final = 0.1
"""How many requests that have nothing to do with a fault may fail."""


def report_of(course: Course, *, started_at: str, duration_seconds: float) -> Report:
    """Return the report of a rehearsal that has run."""
    plan, inflicted = course.plan, course.inflicted
    return Report(
        rehearsal="chaos",
        title="Faults under load: " + (inflicted[0].fault.name if len(inflicted) == 1 else f"{len(inflicted)} kinds"),
        model=None,
        started_at=started_at,
        duration_seconds=round(duration_seconds, 1),
        settings={
            "faults": ", ".join(one.fault.name for one in inflicted),
            "each kept up for": f"{plan.hold_seconds:g} s",
            "load": f"{plan.requests_per_second:g} requests a second on {plan.tenants} tenants",
            "replicas of each service": str(plan.replicas),
            "not rehearsed": "; ".join(
                [
                    "the fail-over of a database writer: there is one PostgreSQL, which comes back",
                    *(f"{name}: {why}" for name, why in plan.left_out.items()),
                ]
            ),
        },
        promises=list(_promises(inflicted)),
        figures=list(_figures(inflicted)),
        tables=[_table(inflicted), *_failures(inflicted)],
        timeline=_timeline(course),
    )


def _promises(inflicted: Iterable[Inflicted]) -> Iterator[Promise]:
    rounds = list(inflicted)
    every = Ledger.together(one.ledger for one in rounds)
    unbalanced = sorted(set(every.unbalanced))
    yield Promise(
        "No acknowledged payment is lost", not every.lost, f"{len(every.lost)} of {every.acknowledged:,} lost"
    )
    yield Promise("No payment is doubled", not every.doubled, f"{len(every.doubled)} of {every.acknowledged:,} doubled")
    yield Promise(
        "Every ledger balances after every fault", not unbalanced,
        ", ".join(unbalanced) if unbalanced else f"checked after {len(rounds)} fault{'s' if len(rounds) > 1 else ''}",
    )  # fmt: skip
    yield every.nothing_astray()
    yield every.all_told()
    wrong = [text for one in rounds for text in one.audited.unverified]
    missing = {payment for one in rounds for payment in one.audited.missing}
    yield Promise(
        "Every audit log verifies and holds every payment", not wrong and not missing,
        "; ".join(wrong) if wrong else f"{len(missing)} payments missing",
    )  # fmt: skip
    untouched = [outcome for one in rounds for outcome in one.untouched]
    paid = [outcome for outcome in untouched if outcome.kind == "payment"]
    share = sum(outcome.is_success for outcome in paid) / len(paid) if paid else 0.0
    yield Promise("The load moves money", share >= LEAST_SUCCESSFUL, f"{share:.1%} of the payments outside the faults")
    worst = max(rounds, key=lambda one: one.untouched_failed_percent)
    yield Promise(
        f"Fewer than {OTHERS_FAILED_PERCENT:g} % of the requests outside any one fault fail",
        all(one.untouched for one in rounds) and worst.untouched_failed_percent < OTHERS_FAILED_PERCENT,
        f"at most {worst.untouched_failed_percent:.2f} % of {len(worst.untouched):,} ({worst.fault.name}); "
        f"{sum(outcome.is_failed for outcome in untouched)} of {len(untouched):,} in all",
    )
    slowest = max(rounds, key=lambda one: one.recovery_seconds)
    still_failing = [one.fault.name for one in rounds if not one.is_recovered]
    yield Promise(
        f"Requests succeed again within {RECOVERY_SECONDS:g} s",
        slowest.recovery_seconds < RECOVERY_SECONDS and not still_failing,
        f"at most {duration_text(slowest.recovery_seconds)} ({slowest.fault.name})"
        + (f"; not at all after {', '.join(still_failing)}" if still_failing else ""),
    )
    broken = [one.fault.name for one in rounds if not one.is_whole]
    yield Promise(
        "Every process is ready again by itself", not broken,
        "after " + ", ".join(broken) + " not" if broken else
        f"at most {duration_text(max(one.whole_seconds for one in rounds))} after the fault",
    )  # fmt: skip


def _figures(inflicted: Iterable[Inflicted]) -> Iterator[Figure]:
    rounds = list(inflicted)
    everything = [outcome for one in rounds for outcome in one.outcomes]
    yield Figure("requests", len(everything))
    yield Figure("requests failed", sum(outcome.is_failed for outcome in everything))
    yield Figure("payments acknowledged", sum(one.ledger.acknowledged for one in rounds))
    yield Figure("payments lost", sum(len(one.ledger.lost) for one in rounds))
    yield Figure("payments doubled", sum(len(one.ledger.doubled) for one in rounds))
    yield Figure("asked for again", sum(one.unanswered for one in rounds))
    yield Figure("slowest recovery", round(max(one.recovery_seconds for one in rounds), 2), "s")


def _table(inflicted: Iterable[Inflicted]) -> Table:
    rows = []
    for one in inflicted:
        touched, untouched = one.touched, one.untouched
        slow = percentile((outcome.seconds for outcome in touched), 0.99)
        rows.append(
            [
                one.fault.name,
                one.says,
                f"{sum(outcome.is_failed for outcome in touched)} of {len(touched)}",
                f"{sum(outcome.is_failed for outcome in untouched)} of {len(untouched)}",
                number_text(round(slow, 2)),
                number_text(round(one.recovery_seconds, 2)),
                number_text(round(one.whole_seconds, 2)),
                str(len(one.ledger.lost)),
                str(len(one.ledger.doubled)),
            ]
        )
    columns = [
        "fault", "what happened", "failed in it", "failed outside", "p99 in it, s", "recovery, s", "whole after, s",
        "lost", "doubled",
    ]  # fmt: skip
    return Table("Faults", columns, rows)


def _failures(inflicted: Iterable[Inflicted]) -> Iterator[Table]:
    counts: dict[tuple[str, str, int, str], int] = {}
    for one in inflicted:
        for outcome in one.outcomes:
            if outcome.is_failed:
                key = (one.fault.name, outcome.kind, outcome.status, outcome.told)
                counts[key] = counts.get(key, 0) + 1
    if counts:
        rows = [[fault, kind, str(status), told, str(n)] for (fault, kind, status, told), n in counts.items()]
        yield Table("Failed requests", ["fault", "request", "status", "what it said", "how many"], rows)


def _timeline(course: Course) -> Timeline:
    faults = Lane(
        "fault", [Span(one.began, max(one.lifted, one.whole), one.fault.name, State.FAULT) for one in course.inflicted]
    )
    load = Lane("load", [Span(one.load_began, one.load_ended, "", State.PHASE) for one in course.inflicted])
    events = []
    for one in course.inflicted:
        events.append(Event(one.began, one.says, "bad"))
        events.append(Event(one.whole, f"{one.fault.name}: whole again", "good"))
    return Timeline(
        [faults, load, *(_hurt(lane, course) for lane in course.history.lanes(course.end_seconds))],
        [
            Series("requests", "1/s", _points(course, len)),
            Series("failed requests", "1/s", _points(course, failed)),
            Series("p99 latency", "ms", _points(course, p99_milliseconds)),
        ],
        events,
    )


def _hurt(lane: Lane, course: Course) -> Lane:
    """Return the lane with the faults that were inflicted on it: the supervisor sees them later, or never."""
    spans = list(lane.spans)
    for one in course.inflicted:
        if lane.name in one.hurt and one.lifted > one.began:
            spans = [piece for span in spans for piece in _without(span, one.began, one.lifted)]
            spans.append(Span(one.began, one.lifted, one.fault.name, State.FAULT))
    return Lane(lane.name, sorted(spans, key=lambda span: span.start_seconds))


def _without(span: Span, start: float, end: float) -> Iterator[Span]:
    if span.start_seconds < min(start, span.end_seconds):
        yield structs.replace(span, end_seconds=min(start, span.end_seconds))
    if span.end_seconds > max(end, span.start_seconds):
        yield structs.replace(span, start_seconds=max(end, span.start_seconds))


def _points(course: Course, figure: Callable[[list[Outcome]], float]) -> list[tuple[float, float]]:
    """Return a figure of each second, and zero where there was no load."""
    points: list[tuple[float, float]] = []
    for one in course.inflicted:
        inside = [(max(at, one.load_began), value) for at, value in by_second(one.outcomes, figure)]
        # the last second is not a whole one
        points += [(one.load_began, 0.0), *inside[:-1], (one.load_ended, 0.0)]
    return points
