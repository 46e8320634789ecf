"""What a rehearsed canary has shown: the promises, what each question was answered, and how sure the verdict is."""

from collections.abc import Sequence
from typing import Final

from bezant.rehearsal import load as loads
from bezant.rehearsal.canary.analysis import Analysis, Judgement
from bezant.rehearsal.canary.attempt import Attempt
from bezant.rehearsal.canary.rollout import CANARY, Rehearsed, Trial
from bezant.rehearsal.ledger import Ledger
from bezant.rehearsal.load import Outcome
from bezant.rehearsal.report.document import Event, EventKind, Figure, Promise, Report, Series, Table, Timeline
from bezant.topology.rules.rule import Deployment
from bezant.topology.statistics import binomial_above, drop_by_chance

_BAD_ERRORS: Final = 0.05
_LOST_SUCCESS: Final = 0.05
"""What the rehearsal's faults do: so many more errors, so much less success."""
_BACK_AT_ONCE_SECONDS: Final = 1.0


def report(seen: Rehearsed, *, started_at: str, seconds: float) -> Report:
    """Return the report of one or several rollouts."""
    plan, attempts = seen.plan, seen.attempts
    outcomes = seen.outcomes
    failed = [outcome for outcome in outcomes if outcome.is_failed]
    ledger = Ledger.together(trial.seen.ledger for trial in seen.trials)
    on_record = sum(trial.is_on_record for trial in seen.trials)
    promises = [
        *(_faulty(seen) if plan.fault is not None else _healthy(seen, failed)),
        *ledger.promises(),
        Promise(
            "Every verdict is on record",
            on_record == len(attempts),
            f"{on_record} of {len(attempts)} among the administrative acts",
        ),
    ]
    number, shown = _shown(seen)
    version = shown.seen.version
    fault = f", fault: {plan.fault}" if plan.fault else ""
    return Report(
        rehearsal="canary",
        title=f"Canary of {plan.service}: {shown.seen.fleet.version} to {version.label}{fault}",
        model=plan.topology.name,
        started_at=started_at,
        duration_seconds=seconds,
        settings={
            "service": plan.service,
            "to": f"{plan.reference} ({version.origin})",
            "fault": plan.fault or "none",
            "compression": f"{plan.compression:g}",
            "requests_per_second": f"{plan.requests_per_second:g}",
            "tenants": str(plan.tenants),
            "times": str(plan.times),
            **({"drawn": f"rollout {number} of {len(attempts)}"} if len(attempts) > 1 else {}),
        },
        promises=promises,
        figures=[
            Figure("requests", len(outcomes)),
            Figure("sent a second, in the slowest rollout", min(one.seen.load.sent_a_second() for one in seen.trials)),
            Figure("payments acknowledged", ledger.acknowledged),
            Figure("requests harmed", sum(_is_harmed(outcome, seen) for outcome in outcomes)),
            Figure("requests failed", len(failed)),
            Figure("promoted", sum(attempt.verdict == "promoted" for attempt in attempts), f"of {len(attempts)}"),
            Figure("aborted", sum(attempt.verdict == "aborted" for attempt in attempts), f"of {len(attempts)}"),
            Figure("latency p99", round(loads.p99_milliseconds(outcomes), 1), "ms"),
        ],
        tables=[_attempts(seen), _answers(shown.attempt, number), _sureness(seen, shown.attempt)],
        timeline=_timeline(seen, shown),
    )


def _shown(seen: Rehearsed) -> tuple[int, Trial]:
    """Return the rollout that is drawn, and its number: the first with another verdict than wanted, or the last."""
    wanted = "promoted" if seen.plan.fault is None else "aborted"
    numbered = list(enumerate(seen.trials, 1))
    return next((one for one in numbered if one[1].attempt.verdict != wanted), numbered[-1])


def _faulty(seen: Rehearsed) -> list[Promise]:
    attempts = seen.attempts
    caught = [attempt for attempt in attempts if attempt.verdict == "aborted"]
    longest = max((question.interval_seconds for question in seen.analysis.questions), default=0.0)
    late = [late_after(attempt) for attempt in caught]
    first_step = [attempt for attempt in caught if len(attempt.steps) == 1]
    back = max((attempt.back_after_seconds for attempt in caught), default=0.0)
    return [
        Promise("Every faulty version is caught", len(caught) == len(attempts), f"{len(caught)} of {len(attempts)}"),
        Promise(
            "At the first step",
            len(first_step) == len(attempts),
            f"{len(first_step)} of {len(attempts)} at {seen.canary.steps[0].weight:g} %",
        ),
        Promise(
            "Within one interval of having enough samples",
            bool(late) and max(late) <= longest,
            f"{max(late, default=0.0):.0f} s of the model's time, of {longest:.0f}",
        ),
        Promise(
            "All requests go back to the stable version at once",
            bool(caught)
            and back <= _BACK_AT_ONCE_SECONDS
            and all(attempt.requests_after_abort == 0 for attempt in caught),
            f"{back * 1000:.0f} ms, then {sum(attempt.requests_after_abort for attempt in caught):.0f} requests",
        ),
    ]


def late_after(attempt: Attempt) -> float:
    """Return the model's seconds from the first moment with enough samples until the rollout was ended.

    Enough for the analysis as a whole and for what ended it. A version that collapses before that is caught early:
    that question needs few samples, and says yes only once the version has begun to.
    """
    reason = attempt.reason
    if reason is None or attempt.enough_at_model_seconds is None:
        return 0.0
    could = attempt.first_judged(reason.question.name) or 0.0
    return max(0.0, reason.at_seconds - max(could, attempt.enough_at_model_seconds))


def _healthy(seen: Rehearsed, failed: list[Outcome]) -> list[Promise]:
    promoted = sum(attempt.verdict == "promoted" for attempt in seen.attempts)
    fewest = min((moment.ready for trial in seen.trials for moment in trial.seen.fleet.history), default=0)
    steps = len(seen.canary.steps)
    unjudged = never_judged(seen.analysis, seen.attempts)
    return [
        Promise("A healthy version is promoted", promoted == len(seen.attempts), f"{promoted} of {len(seen.attempts)}"),
        Promise(
            "Every step saw enough to be judged",
            all(len(attempt.steps) == steps and attempt.verdict != "inconclusive" for attempt in seen.attempts),
            f"{min(len(attempt.steps) for attempt in seen.attempts)} of {steps} steps",
        ),
        Promise(
            "Every question of the analysis was answered from enough samples",
            not unjudged,
            f"{len(seen.analysis.questions)} questions" if not unjudged else f"never: {', '.join(unjudged)}",
        ),
        Promise("No request fails", not failed, f"{len(failed)} of {len(seen.outcomes):,}"),
        Promise(
            f"Never fewer than {seen.replicas} replicas are ready", fewest >= seen.replicas, f"{fewest} at the least"
        ),
    ]


def never_judged(analysis: Analysis, attempts: Sequence[Attempt]) -> list[str]:
    """Return the questions that a promoted version never had to answer: one without samples lets everything pass."""
    return [
        question.name
        for question in analysis.questions
        if any(one.verdict == "promoted" and one.first_judged(question.name) is None for one in attempts)
    ]


def _is_harmed(outcome: Outcome, seen: Rehearsed) -> bool:
    """Whether the fault showed in this request: it failed, was declined for no reason of its own, or came late."""
    if outcome.is_failed:
        return True
    match seen.plan.fault:
        case "latency":
            return outcome.seconds * 1000 > seen.canary.analysis.p99_latency_limit_milliseconds
        case "declines":
            return outcome.kind == "payment" and outcome.told == "declined"
        case _:
            return False


def _attempts(seen: Rehearsed) -> Table:
    rows = []
    for number, attempt in enumerate(seen.attempts, 1):
        reason = attempt.reason
        told = attempt.trouble if reason is None else _because(reason, attempt.stable_answered)
        rows.append(
            [
                str(number),
                attempt.verdict,
                f"{attempt.steps[-1][1]:g} %" if attempt.steps else "before the first step",
                f"{attempt.ended_seconds - attempt.began_seconds:.1f} s",
                told,
            ]
        )
    return Table("Verdicts", ["attempt", "verdict", "at", "after", "because"], rows)


def _because(reason: Judgement, stable: Judgement | None) -> str:
    """Return what ended the rollout. When the stable version would not have passed either, it says so as well."""
    told = f"{reason.question.name} {_number(reason)}, wanted {reason.question.condition.text}"
    if stable is None or not stable.is_judged:
        return told
    alike = "" if stable.passes else " and would not have passed either: nothing is learnt about the version"
    return f"{told}; the stable version's is {_number(stable)}{alike}"


def _number(judgement: Judgement) -> str:
    return "none" if not judgement.values else f"{judgement.values[0]:.4g}"


def _answers(attempt: Attempt, number: int) -> Table:
    """Return each question's answers over the steps of one rollout."""
    rows = []
    for name in dict.fromkeys(one.question.name for one in attempt.judgements):
        asked = [one for one in attempt.judgements if one.question.name == name]
        judged = [one for one in asked if one.is_judged]
        worst = max((one.values[0] for one in judged), default=None)
        rows.append(
            [
                name,
                asked[0].question.condition.text,
                str(len(asked)),
                str(len(judged)),
                "none" if worst is None else f"{worst:.4g}",
                _number(asked[-1]),
            ]
        )
    return Table(
        f"Answers in attempt {number}", ["question", "passes", "asked", "with enough samples", "highest", "last"], rows
    )


def _sureness(seen: Rehearsed, attempt: Attempt) -> Table:
    """Return how often so many samples would mislead: by the binomial tail and the normal approximation.

    It is of one look; how often a whole rollout is judged wrongly is what `--simulated` counts.
    """
    analysis, assumed = seen.canary.analysis, Deployment(seen.plan.topology).assumptions
    errors, success = assumed.healthy_error_percent / 100, assumed.healthy_success_percent / 100
    samples = max((int(one.values[0]) for one in attempt.judgements
                   if one.question.name == seen.analysis.samples.name and one.values), default=0)  # fmt: skip
    samples = max(samples, analysis.minimum_samples or 0)
    limit = analysis.error_rate_limit / 100
    tolerated = int(limit * samples)
    drop = analysis.success_rate.drop / 100
    weight = attempt.steps[0][1] if attempt.steps else 10.0
    stable = samples * (100 - weight) / weight
    chance = drop_by_chance(healthy=success, drop=drop, canary_samples=samples, stable_samples=stable)
    missed = drop_by_chance(
        healthy=success - _LOST_SUCCESS, drop=_LOST_SUCCESS - drop, canary_samples=samples, stable_samples=stable
    )
    rows = [
        [f"{_BAD_ERRORS:.0%} errors go unnoticed", f"{1 - binomial_above(samples, _BAD_ERRORS, tolerated):.2g}"],
        [
            f"a healthy version ({errors:.1%} errors) is taken back",
            f"{binomial_above(samples, errors, tolerated):.2g}",
        ],
        [f"{100 * _LOST_SUCCESS:.0f} points less success go unnoticed", f"{missed:.2g}"],
        [f"an equally successful version ({success:.0%}) is taken back", f"{chance:.2g}"],
    ]
    return Table(f"How sure one judgement of {samples:,} samples is", ["mistake", "probability"], rows)


def _timeline(seen: Rehearsed, trial: Trial) -> Timeline:
    fleet, attempt = trial.seen.fleet, trial.attempt
    weights = [(moment.at_seconds, float(moment.weights.get(CANARY, 0))) for moment in fleet.history]
    series = [
        Series("the canary's weight", "%", weights, is_stepped=True),
        *trial.seen.load.series(began=fleet.began),
    ]
    for question in seen.analysis.questions:
        points = [
            (attempt.began_seconds + one.at_seconds / seen.plan.compression, one.values[0])
            for one in attempt.judgements
            if one.question.name == question.name and one.is_judged and one.values[0] == one.values[0]
        ]
        if points:
            unit = "ms" if question.name == "p99-latency" else "share"
            series.append(Series(question.name, unit, points, limit=question.condition.limit))
    return Timeline(lanes=fleet.lanes(fleet.seconds()), series=series, events=_events(attempt))


def _events(attempt: Attempt) -> list[Event]:
    kind: EventKind = "good" if attempt.verdict == "promoted" else "bad"
    because = "" if attempt.reason is None else f": {attempt.reason.question.name} {_number(attempt.reason)}"
    return [
        *(
            Event(at, f"{weight:g} % on {pods} replica{'s' if pods > 1 else ''}", "change")
            for at, weight, pods in attempt.steps
        ),
        Event(attempt.ended_seconds, attempt.verdict + because, kind),
    ]
