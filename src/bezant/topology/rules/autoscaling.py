"""The HorizontalPodAutoscaler: targets, fixed points, and the memory ratchet."""

import math
from collections.abc import Iterator

from bezant.topology.model.delivery import Autoscaling, AutoscalingStep
from bezant.topology.rules.rule import Deployment, Found, rule

_HPA = "https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details"


def desired_replicas(current: int, utilisation: float, target: float) -> int:
    """Return ceil(current x utilisation / target), the autoscaler's formula."""
    return math.ceil(current * utilisation / target - 1e-9)


def targets_that_explain(step: AutoscalingStep) -> tuple[float, float] | None:
    """Return the CPU targets (exclusive low or equal, high) that lead from before to after; None without CPU."""
    if step.cpu_utilisation is None:
        return None
    load = step.replicas_before * step.cpu_utilisation
    high = math.inf if step.replicas_after <= 1 else load / (step.replicas_after - 1)
    return load / step.replicas_after, high


def _scaled(deployment: Deployment) -> Iterator[tuple[str, Autoscaling]]:
    for service in deployment.topology.services:
        if service.autoscaling is not None:
            yield service.name, service.autoscaling


def _explaining(scaling: Autoscaling) -> tuple[float, float]:
    """Return the CPU targets that explain every step up of the story."""
    low, high = 0.0, math.inf
    for step in scaling.story:
        bounds = targets_that_explain(step)
        if bounds is not None and step.replicas_after > step.replicas_before:
            low, high = max(low, bounds[0]), min(high, bounds[1])
    return low, high


@rule(
    "hpa-target-unstated", "error", "The autoscaler's targets are stated",
    reason="Without its target no one can say how many replicas a load leads to.", source=_HPA,
)  # fmt: skip
def target_unstated(deployment: Deployment) -> Iterator[Found]:
    """Missing targets, and those that would explain the story."""
    for name, scaling in _scaled(deployment):
        place = f"services[{name}].autoscaling"
        if scaling.cpu_target is None:
            low, high = _explaining(scaling)
            known = (f"its steps up are reproduced by {low:.1f} to {high:.1f} % of CPU",) if scaling.story else ()
            steps = tuple(
                f"{step.replicas_before} × {step.cpu_utilisation:g} % / target -> {step.replicas_after}: "
                f"{bounds[0]:.1f} to {bounds[1]:.1f} %"
                for step in scaling.story
                if (bounds := targets_that_explain(step)) is not None and step.replicas_after > step.replicas_before
            )
            yield Found(f"{place}.cpu_target", "no CPU target is stated", (*steps, *known), "cpu_target: 60")
        if scaling.uses_memory and scaling.memory_target is None:
            yield Found(
                f"{place}.memory_target", "memory is used, and no memory target is stated", ("null",),
                "no memory metric",
            )  # fmt: skip


@rule(
    "hpa-story", "error", "The decisions that are told follow from the target",
    reason="Whoever plans for the told replicas plans for others than the autoscaler makes.", source=_HPA,
)  # fmt: skip
def story(deployment: Deployment) -> Iterator[Found]:
    """Each step under the stated target, or under every target that explains the steps up."""
    for name, scaling in _scaled(deployment):
        low, high = (scaling.cpu_target, scaling.cpu_target) if scaling.cpu_target else _explaining(scaling)
        for number, step in enumerate(scaling.story):
            if step.cpu_utilisation is None or not 0 < low <= high < math.inf:
                continue
            # the formula falls with the target, so both ends bound it; the high end itself is excluded
            most = max(scaling.min_replicas, desired_replicas(step.replicas_before, step.cpu_utilisation, low))
            top = high if scaling.cpu_target else high - 1e-6
            least = max(scaling.min_replicas, desired_replicas(step.replicas_before, step.cpu_utilisation, top))
            if not least <= step.replicas_after <= most:
                told = f"{most}" if least == most else f"{least} or {most}"
                target = f"{low:g} %" if low == high else f"{low:.1f}-{high:.1f} %"
                yield Found(
                    f"services[{name}].autoscaling.story[{number}]",
                    f"{step.replicas_before} replicas at {step.cpu_utilisation:g} % lead to {told}, "
                    f"not to {step.replicas_after}",
                    (f"ceil({step.replicas_before} × {step.cpu_utilisation:g} / {target}) = {told}",),
                    f"{told} replicas, then fewer as utilisation falls further",
                )  # fmt: skip


@rule(
    "hpa-fixed-point", "error", "The minimum of replicas carries a usual day",
    reason="If the usual load already asks for more, the minimum is never seen and there is less room to the maximum.",
    source=_HPA, assumes=("cpu_utilisation_tolerance_percent",),
)  # fmt: skip
def fixed_point(deployment: Deployment) -> Iterator[Found]:
    """Replicas that the usual utilisation leads to; and a target that leaves head-room."""
    tolerance = deployment.assumptions.cpu_utilisation_tolerance_percent / 100
    for name, scaling in _scaled(deployment):
        place = f"services[{name}].autoscaling"
        if scaling.cpu_target is None:
            continue
        if not 0 < scaling.cpu_target <= 80:
            yield Found(
                f"{place}.cpu_target", f"a target of {scaling.cpu_target:g} % leaves no time for new pods to start",
                (f"{scaling.cpu_target:g} % is not within 1 to 80 %",), "cpu_target: 60",
            )  # fmt: skip
            continue
        usual = scaling.normal_cpu_utilisation
        if usual is not None and usual / scaling.cpu_target > 1 + tolerance:
            rest = desired_replicas(scaling.min_replicas, usual, scaling.cpu_target)
            yield Found(
                f"{place}.min_replicas",
                f"a usual day settles at {rest} replicas, above the minimum",
                (f"ceil({scaling.min_replicas} × {usual:g} / {scaling.cpu_target:g}) = {rest}",),
                f"min_replicas: {rest}",
            )
        if scaling.max_replicas < 2 * scaling.min_replicas:
            yield Found(
                f"{place}.max_replicas", "the maximum is less than twice the minimum: it cannot take a doubled load",
                (f"{scaling.max_replicas} < 2 × {scaling.min_replicas}",), f"max_replicas: {2 * scaling.min_replicas}",
            )  # fmt: skip


@rule(
    "hpa-memory-ratchet",
    "error",
    "No memory metric drives replicas up during a canary",
    reason="Memory does not fall when traffic is shared among more pods. A canary adds pods, the average stays, "
    "and the autoscaler multiplies them: (1 + weight) x utilisation / target above 1 only ever goes up.",
    source=_HPA,
    assumes=("memory_utilisation_percent", "memory_target_percent"),
)
def memory_ratchet(deployment: Deployment) -> Iterator[Found]:
    """The ratio at each step of the canary; without a canary, at weight 0."""
    assumed = deployment.assumptions
    for service in deployment.topology.services:
        scaling = service.autoscaling
        if scaling is None or not scaling.uses_memory:
            continue
        usual = scaling.normal_memory_utilisation
        used = assumed.memory_utilisation_percent if usual is None else usual
        stated = scaling.memory_target
        target = assumed.memory_target_percent if stated is None else stated
        weights = [step.weight for step in service.canary.steps] if service.canary else [0.0]
        ratios = [(weight, (1 + weight / 100) * used / max(target, 0.1)) for weight in weights]
        if ratios[-1][1] > 1:
            first = next((weight for weight, ratio in ratios if ratio > 1), weights[-1])
            yield Found(
                f"services[{service.name}].autoscaling.uses_memory",
                f"from the {first:g} % step on, replicas climb to {scaling.max_replicas} and stay",
                tuple(
                    f"(1 + {weight / 100:g}) × {used:g} / {target:g} = {ratio:.2f}{' > 1' if ratio > 1 else ''}"
                    for weight, ratio in ratios
                ),
                "scale on CPU or on requests a second; guard memory with limits and alarms",
            )  # fmt: skip


@rule(
    "hpa-flapping", "warning", "Scaling down waits at least five minutes",
    reason="A shorter window removes pods between two peaks that are added again at the next.", source=_HPA,
)  # fmt: skip
def flapping(deployment: Deployment) -> Iterator[Found]:
    """The stabilisation window."""
    for name, scaling in _scaled(deployment):
        if scaling.scale_down_stabilisation_minutes < 5:
            yield Found(
                f"services[{name}].autoscaling.scale_down_stabilisation_minutes",
                f"pods are removed after {scaling.scale_down_stabilisation_minutes:g} minutes",
                (f"{scaling.scale_down_stabilisation_minutes:g} < 5",), "10 minutes",
            )  # fmt: skip
