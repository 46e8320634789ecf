"""How often the chart's analysis is wrong: many simulated rollouts at the model's traffic, judged by its own questions.

A real rehearsal shows one rollout; whether a healthy version is ever taken back, and how late a bad one is caught, are
rates. Here only the traffic is simulated, minute by minute: requests arrive as the model's payments do, each fails, is
slow or is refused by chance. Counters rise, the analysis asks its PromQL of them, and the rollout goes on or ends.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bezant.local.plan import STABLE
from bezant.rehearsal.canary.analysis import Analysis, analysis_of
from bezant.rehearsal.canary.rollout import CANARY
from bezant.rehearsal.canary.samples import Samples
from bezant.rehearsal.canary.scraping import NAMESPACE
from bezant.rehearsal.report.document import Promise, Report, Table, now_text
from bezant.topology.model.delivery import Canary
from bezant.topology.rules.rule import Deployment

_MINUTE: Final = 60.0
_LATENCY_BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: buckets of the services' own histogram."""
_SLOW: Final = 0.002
"""The share of a healthy version's requests that take longer than the limit; with 0.01 its p99 would be the limit."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A version: what share of its requests fail, are slow, and of its payments succeed."""

    name: str
    errors: float
    slow: float
    success: float
    is_healthy: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How one simulated rollout ended."""

    is_aborted: bool
    step: int
    """The step at which it ended, from 0."""
    after_minutes: float
    harmed: int
    """Requests to the canary that failed, were slow or refused beyond a healthy version's."""
    because: str


@dataclass
class _Counters:
    """What a version's pods have counted."""

    good: int = 0
    bad: int = 0
    slow: int = 0
    paid: int = 0
    refused: int = 0

    def minute(self, chooser: random.Random, kind: Kind, requests: int) -> None:
        """Let a minute's requests come."""
        bad, slow = binomial(chooser, requests, kind.errors), binomial(chooser, requests, kind.slow)
        paid = binomial(chooser, requests, kind.success)
        self.good += requests - bad
        self.bad += bad
        self.slow += slow
        self.paid += paid
        self.refused += requests - paid

    def put(self, samples: Samples, arm: str, service: str, at_seconds: float) -> None:
        """Write the counters down, as a scrape does."""
        pods = {"namespace": NAMESPACE, "rollouts_pod_template_hash": arm}
        answered = {**pods, "reporter": "destination"}
        asked = {"reporter": "source", "destination_service_namespace": NAMESPACE}
        name = {"destination_service_name": f"{service}-{arm}"}
        for code, count in (("200", self.good), ("500", self.bad)):
            samples.add("istio_requests_total", {**answered, "response_code": code}, at_seconds, count)
            samples.add("istio_requests_total", {**asked, **name, "response_code": code}, at_seconds, count)
        total = self.good + self.bad
        for bound in _LATENCY_BOUNDS:
            within = total if bound >= 1.0 else total - self.slow if bound >= 0.25 else (total - self.slow) // 2
            labels = {**answered, "le": f"{bound * 1000:g}"}
            samples.add("istio_request_duration_milliseconds_bucket", labels, at_seconds, within)
        samples.add("istio_request_duration_milliseconds_bucket", {**answered, "le": "+Inf"}, at_seconds, total)
        for status, count in (("captured", self.paid), ("declined", self.refused)):
            samples.add("bezant_payments_total", {**pods, "status": status}, at_seconds, count)


def binomial(chooser: random.Random, tries: int, chance: float) -> int:
    """Return how many of so many tries succeed, by jumping from one rare outcome to the next."""
    if chance > 0.5:
        return tries - binomial(chooser, tries, 1 - chance)
    if chance <= 0:
        return 0
    found, at = 0, 0
    log_miss = math.log1p(-chance)
    while True:
        at += int(math.log(1.0 - chooser.random()) / log_miss) + 1
        if at > tries:
            return found
        found += 1


def versions(deployment: Deployment) -> list[Kind]:
    """Return a healthy version as the model assumes it, and one with each fault of the rehearsal."""
    errors = deployment.assumptions.healthy_error_percent / 100
    success = deployment.assumptions.healthy_success_percent / 100
    return [
        Kind("healthy", errors, _SLOW, success, is_healthy=True),
        Kind("5 % errors", 0.05, _SLOW, success),
        Kind("600 ms more", errors, 1.0, success),
        Kind("5 points less success", errors, _SLOW, success - 0.05),
        Kind("every second request fails", 0.5, _SLOW, success),
    ]


def roll_out(
    chooser: random.Random, canary: Canary, analysis: Analysis, kind: Kind, *, healthy: Kind, per_minute: float
) -> Ended:
    """Simulate one rollout. `per_minute` are all requests to the service, on average and Poisson-like."""
    samples, arms = Samples(), {STABLE: _Counters(), CANARY: _Counters()}
    minute = 0
    for number, step in enumerate(canary.steps):
        for _ in range(round(step.hold_minutes)):
            minute += 1
            for arm, share, version in ((CANARY, step.weight, kind), (STABLE, 100 - step.weight, healthy)):
                mean = per_minute * share / 100
                requests = max(0, round(chooser.gauss(mean, math.sqrt(mean)))) if mean else 0
                arms[arm].minute(chooser, version, requests)
                arms[arm].put(samples, arm, "payment", minute * _MINUTE)
            for question in analysis.questions:
                values = question.ask(samples, minute * _MINUTE)
                if not question.condition.holds(values):
                    return Ended(True, number, minute, _harmed(arms[CANARY], kind, healthy), question.name)
    return Ended(False, len(canary.steps) - 1, minute, _harmed(arms[CANARY], kind, healthy), "")


def _harmed(counters: _Counters, kind: Kind, healthy: Kind) -> int:
    total = counters.good + counters.bad
    if kind.slow > healthy.slow:
        return counters.slow
    if kind.success < healthy.success:
        return max(0, counters.refused - round(total * (1 - healthy.success)))
    return 0 if kind.is_healthy else counters.bad


def rehearse_odds(
    deployment: Deployment,
    service: str,
    canary: Canary,
    *,
    rollouts: int,
    seed: int = 1,
    told: Callable[[str], None] = lambda _: None,
) -> Report:
    """Simulate so many rollouts of each version, and report how often each was taken back, when, and why."""
    started_at, began = now_text(), time.monotonic()
    chooser = random.Random(seed)  # noqa: S311  a simulation, no secrets
    analysis = analysis_of(service, canary=CANARY, stable=STABLE)
    per_minute = deployment.payments_per_hour / 60
    kinds = versions(deployment)
    found: dict[str, list[Ended]] = {}
    for kind in kinds:
        told(f"{rollouts} rollouts of a version: {kind.name}")
        found[kind.name] = [
            roll_out(chooser, canary, analysis, kind, healthy=kinds[0], per_minute=per_minute) for _ in range(rollouts)
        ]
    tolerated = deployment.assumptions.false_abort_percent / 100
    false_aborts = sum(one.is_aborted for one in found["healthy"])
    faulty = [kind for kind in kinds if not kind.is_healthy]
    missed = {kind.name: sum(not one.is_aborted for one in found[kind.name]) for kind in faulty}
    later = {kind.name: sum(one.is_aborted and one.step > 0 for one in found[kind.name]) for kind in faulty}
    return Report(
        rehearsal="canary",
        title=f"How often the canary of {service} is wrong: {rollouts} simulated rollouts of each version",
        model=deployment.topology.name,
        started_at=started_at,
        duration_seconds=time.monotonic() - began,
        settings={
            "requests a minute": f"{per_minute:.0f}",
            "rollouts of each version": str(rollouts),
            "seed": str(seed),
        },
        promises=[
            Promise(
                f"At most {tolerated:.0%} of healthy versions are taken back",
                false_aborts <= tolerated * rollouts,
                f"{false_aborts} of {rollouts}",
            ),
            Promise("No faulty version is missed", not any(missed.values()), f"{sum(missed.values())} missed"),
            Promise("Each is caught at the first step", not any(later.values()), f"{sum(later.values())} later"),
        ],
        tables=[
            Table(
                "Rates",
                ["version", "taken back", "median after", "latest", "requests harmed, median", "because of"],
                [_row(kind.name, found[kind.name]) for kind in kinds],
            )
        ],
    )


def _row(name: str, ended: list[Ended]) -> list[str]:
    aborted = [one for one in ended if one.is_aborted]
    rate = f"{len(aborted)} of {len(ended)}"
    if not aborted:
        return [name, rate, "-", "-", "-", "-"]
    minutes = sorted(one.after_minutes for one in aborted)
    harmed = sorted(one.harmed for one in aborted)
    causes = Counter(one.because for one in aborted)
    return [
        name,
        rate,
        f"{minutes[len(minutes) // 2]:.0f} min",
        f"{minutes[-1]:.0f} min",
        f"{harmed[len(harmed) // 2]:,}",
        ", ".join(f"{cause} {count}" for cause, count in causes.most_common()),
    ]
