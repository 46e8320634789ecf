"""Canaries: pods, duration, and whether the thresholds can be judged from the traffic that there is."""

import math
from collections.abc import Iterator

from bezant.topology.model.delivery import Canary, CanaryStep
from bezant.topology.rules.rule import Deployment, Found, rule
from bezant.topology.statistics import at_least_once, binomial_above, drop_by_chance, samples_to_see_drop

_STATISTICS = "two-proportion test, unpooled (Fleiss, Statistical Methods for Rates and Proportions, ch. 4)"


def _canaries(deployment: Deployment) -> Iterator[tuple[str, Canary, int]]:
    for service in deployment.topology.services:
        if service.canary is not None:
            yield service.name, service.canary, service.replicas


@rule(
    "canary-pods-short", "error", "A canary has its share of the pods",
    reason="Fewer pods than the weight's share are overloaded by it, and the rollout aborts for that reason.",
    source="https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/",
)  # fmt: skip
def pods_short(deployment: Deployment) -> Iterator[Found]:
    """ceil(replicas x weight) at each step."""
    for name, canary, replicas in _canaries(deployment):
        for number, step in enumerate(canary.steps):
            needed = math.ceil(replicas * step.weight / 100)
            if step.pods < needed:
                yield Found(
                    f"services[{name}].canary.steps[{number}].pods",
                    f"{step.pods} pods take {step.weight:g} % of traffic",
                    (f"ceil({replicas} × {step.weight:g} %) = {needed} > {step.pods}",),
                    f"{needed} pods",
                )


@rule(
    "canary-pods-fixed",
    "warning",
    "A canary grows with the autoscaler",
    reason="Pod numbers fixed for the minimum of replicas carry a multiple of their load when it is scaled out.",
    source="https://argo-rollouts.readthedocs.io/en/stable/features/canary/#dynamic-canary-scale-with-traffic-routing",
)
def pods_fixed(deployment: Deployment) -> Iterator[Found]:
    """Fixed numbers under an autoscaler."""
    for service in deployment.topology.services:
        scaling, canary = service.autoscaling, service.canary
        if scaling is None or canary is None or canary.pods_follow_weight:
            continue
        last = canary.steps[-1]
        if scaling.max_replicas > last.pods:
            yield Found(
                f"services[{service.name}].canary", f"{last.pods} pods take what {scaling.max_replicas} carried",
                (f"at {last.weight:g} %: {scaling.max_replicas} / {last.pods} = "
                 f"{scaling.max_replicas / last.pods:.1f} times the load of a pod",),
                "pods_follow_weight: the weight's share of the replicas of the moment",
            )  # fmt: skip


@rule(
    "canary-duration", "warning", "The stated duration of a canary follows from its steps",
    reason="A duration that no step accounts for cannot be planned with, nor alarmed on.",
    source="the architecture document: 'Monitor for 1 hour', 'Total canary rollout time: 4-6 hours'",
)  # fmt: skip
def duration(deployment: Deployment) -> Iterator[Found]:
    """The holds, and the pods' start at each step."""
    for service in deployment.topology.services:
        canary = service.canary
        if canary is None or canary.stated_hours is None:
            continue
        low = sum(step.hold_minutes for step in canary.steps) / 60
        high = low + len(canary.steps) * service.rollout.pod_ready_minutes.high / 60
        stated = canary.stated_hours
        if stated.low < low - 1e-9 or stated.high > high + 1e-9 or stated.high < low - 1e-9:
            holds = " + ".join(f"{step.hold_minutes:g}" for step in canary.steps)
            yield Found(
                f"services[{service.name}].canary.stated_hours",
                f"{low:.3g} to {high:.3g} hours follow, {stated} are stated",
                (f"{holds} min of holding = {low:.3g} h; {len(canary.steps)} starts of at most "
                 f"{service.rollout.pod_ready_minutes.high:g} min more = {high:.3g} h",),
                f"{low:.3g} to {high:.3g} hours",
            )  # fmt: skip


@rule(
    "canary-threshold-undefined", "error", "Every threshold says what is measured against what",
    reason="'Drops by 2 %' is 2 points or 2 % of the rate, against a stable version or against yesterday: each aborts "
    "other rollouts.",
    source="the architecture document: 'Error rate < 1%', 'Error rate > 1%', 'Payment success rate drops > 2%'",
    assumes=("healthy_success_percent",),
)  # fmt: skip
def undefined(deployment: Deployment) -> Iterator[Found]:
    """Fields that the document leaves open."""
    for name, canary, _ in _canaries(deployment):
        analysis, place = canary.analysis, f"services[{name}].canary.analysis"
        drop, healthy = analysis.success_rate, deployment.assumptions.healthy_success_percent
        lines = []
        if analysis.error_rate_at_limit is None:
            limit = analysis.error_rate_limit
            lines.append(f"below {limit:g} % goes on, above {limit:g} % rolls back; exactly {limit:g} % does neither")
        if drop.measured_in is None:
            relative = healthy * (1 - drop.drop / 100)
            lines.append(
                f"a drop of {drop.drop:g} % from {healthy:g} % is {healthy - drop.drop:g} % in points, "
                f"{relative:.2f} % relative"
            )
        if drop.against is None:
            lines.append("the drop is not said to be against the stable version or against an earlier time")
        if analysis.window_minutes is None:
            lines.append("'immediate' names no window: any single failed request is above the limit")
        if lines:
            yield Found(
                place,
                f"{len(lines)} thresholds have no meaning that a program could use",
                tuple(lines),
                "say points, against the stable version at the same time, over a window",
            )


def _traffic(deployment: Deployment, step: CanaryStep, minutes: float) -> tuple[float, float]:
    """Return requests to the canary and to the stable version in so many minutes of a step."""
    total = deployment.payments_per_hour * minutes / 60
    return total * step.weight / 100, total * (100 - step.weight) / 100


def _drop_points(deployment: Deployment, canary: Canary) -> float:
    drop = canary.analysis.success_rate
    if drop.measured_in == "relative_percent":
        return deployment.assumptions.healthy_success_percent * drop.drop / 100
    return drop.drop


@rule(
    "canary-underpowered",
    "error",
    "A canary sees enough payments to notice the drop it is there for",
    reason="Below the sample size a degraded version passes more often than not, and the wait was for nothing.",
    source=_STATISTICS,
    assumes=("healthy_success_percent", "confidence_percent", "power_percent", "payments_per_month"),
)
def underpowered(deployment: Deployment) -> Iterator[Found]:
    """Samples wanted against those of the first step's hold, and against the stated minimum of samples."""
    assumed = deployment.assumptions
    healthy = assumed.healthy_success_percent / 100
    for name, canary, _ in _canaries(deployment):
        points = _drop_points(deployment, canary)
        if points <= 0:
            yield Found(
                f"services[{name}].canary.analysis.success_rate", "a drop of nothing aborts at once",
                (f"{points:g} points",), "a drop above 0",
            )  # fmt: skip
            continue
        equal = _wanted(deployment, healthy, points, 50)
        for number, step in enumerate(canary.steps):
            if step.weight >= 100:
                continue  # no stable version is left to compare with
            wanted = _wanted(deployment, healthy, points, step.weight)
            got, _ = _traffic(deployment, step, step.hold_minutes)
            rate = deployment.payments_per_hour
            sums = (
                f"{healthy * 100:g} -> {healthy * 100 - points:g} %, {assumed.confidence_percent:g} % confidence, "
                f"{assumed.power_percent:g} % power: {wanted:,} payments in the canary at {step.weight:g} / "
                f"{100 - step.weight:g} ({equal:,} in each arm at equal arms)"
            )
            if got < wanted:
                hours = wanted / (rate * step.weight / 100) if rate and step.weight else math.inf
                yield Found(
                    f"services[{name}].canary.steps[{number}].hold_minutes",
                    f"{got:,.0f} payments in {step.hold_minutes:g} minutes; {wanted:,} are needed",
                    (
                        sums,
                        f"{rate:,.0f} payments an hour × {step.weight:g} % × {step.hold_minutes:g} min = {got:,.0f}",
                    ),
                    f"hold for {hours * 60:.0f} minutes",
                )
            minimum = canary.analysis.minimum_samples
            if number == 0 and (minimum is None or minimum < wanted):
                stated = (
                    "no minimum of samples is stated" if minimum is None else f"it may judge after {minimum:,} samples"
                )
                yield Found(
                    f"services[{name}].canary.analysis.minimum_samples", f"{stated}; {wanted:,} show the drop", (sums,),
                    f"a minimum of {wanted:,} samples",
                )  # fmt: skip


def _wanted(deployment: Deployment, healthy: float, points: float, weight: float) -> int:
    assumed = deployment.assumptions
    return samples_to_see_drop(
        healthy=healthy, degraded=max(0.0, healthy - points / 100), stable_per_canary=(100 - weight) / weight,
        confidence=assumed.confidence_percent / 100, power=assumed.power_percent / 100,
    )  # fmt: skip


@rule(
    "canary-minimum-unreachable", "error", "A canary's window can hold its minimum of samples",
    reason="A minimum that no window reaches is a judgement that is never made: every version passes.",
    source="docs/topology.md, Canary statistics", assumes=("payments_per_month",),
)  # fmt: skip
def unreachable(deployment: Deployment) -> Iterator[Found]:
    """Samples of a window at the first step against the minimum; and a window within the hold."""
    for name, canary, _ in _canaries(deployment):
        window, minimum = canary.analysis.window_minutes, canary.analysis.minimum_samples
        if window is None:
            continue
        for number, step in enumerate(canary.steps):
            got, _ = _traffic(deployment, step, window)
            place = f"services[{name}].canary.steps[{number}]"
            if minimum is not None and got < minimum:
                yield Found(
                    place, f"a window of {window:g} minutes sees {got:,.0f} payments, the minimum is {minimum:,}",
                    (f"{deployment.payments_per_hour:,.0f} an hour × {step.weight:g} % × {window:g} min = {got:,.0f}",),
                    "a longer window or a smaller minimum",
                )  # fmt: skip
            if window > step.hold_minutes:
                yield Found(
                    place,
                    "the step ends before its first window does",
                    (f"{window:g} min > {step.hold_minutes:g} min",),
                    "a hold of at least one window",
                )


@rule(
    "canary-false-abort", "error", "A healthy version is seldom aborted",
    reason="A limit judged on few requests trips by chance: one failed payment of twenty is 5 %.",
    source="exact binomial tail; " + _STATISTICS,
    assumes=("healthy_error_percent", "healthy_success_percent", "false_abort_percent", "judgement_every_minutes",
             "payments_per_month"),
)  # fmt: skip
def false_abort(deployment: Deployment) -> Iterator[Found]:
    """Odds at each judgement of each step, and over the whole rollout."""
    assumed = deployment.assumptions
    for name, canary, _ in _canaries(deployment):
        analysis = canary.analysis
        window = assumed.judgement_every_minutes if analysis.window_minutes is None else analysis.window_minutes
        passes, lines = 1.0, []
        for step in canary.steps:
            mine, stable = _traffic(deployment, step, window)
            samples = max(1, round(mine))
            looks = max(1, math.ceil(step.hold_minutes / max(window, 0.1)))
            allowed = math.floor(samples * analysis.error_rate_limit / 100)
            errors = binomial_above(samples, assumed.healthy_error_percent / 100, allowed)
            drop = 0.0
            if step.weight < 100:
                drop = drop_by_chance(
                    healthy=assumed.healthy_success_percent / 100, drop=_drop_points(deployment, canary) / 100,
                    canary_samples=mine, stable_samples=stable,
                )  # fmt: skip
            odds = at_least_once(1 - (1 - errors) * (1 - drop), looks)
            passes *= 1 - odds
            lines.append(
                f"{step.weight:g} %: {looks} judgements of {samples:,} payments; by chance above "
                f"{analysis.error_rate_limit:g} % errors {errors * 100:.2g} %, success drop {drop * 100:.2g} %; "
                f"one abort at least {odds * 100:.3g} %"
            )
        if (1 - passes) * 100 > assumed.false_abort_percent:
            yield Found(
                f"services[{name}].canary.analysis",
                f"a healthy version ({assumed.healthy_error_percent:g} % errors) is aborted with odds of "
                f"{(1 - passes) * 100:.3g} %", tuple(lines), "a window that holds the minimum of samples",
            )  # fmt: skip


@rule(
    "canary-p99-samples", "warning", "The 99th percentile rests on more than a handful of requests",
    reason="Of a hundred requests the 99th percentile is the slowest but one: noise, not a measurement.",
    source="https://sre.google/sre-book/monitoring-distributed-systems/",
    assumes=("p99_tail_samples", "judgement_every_minutes", "payments_per_month"),
)  # fmt: skip
def p99(deployment: Deployment) -> Iterator[Found]:
    """Slow requests in a window of the first step."""
    assumed = deployment.assumptions
    for name, canary, _ in _canaries(deployment):
        stated = canary.analysis.window_minutes
        window = assumed.judgement_every_minutes if stated is None else stated
        got, _ = _traffic(deployment, canary.steps[0], window)
        if got / 100 < assumed.p99_tail_samples:
            yield Found(
                f"services[{name}].canary.analysis.p99_latency_limit_milliseconds",
                f"judged from {got / 100:.1f} slow requests", (f"{got:,.0f} requests in {window:g} min / 100",),
                "a longer window",
            )  # fmt: skip
