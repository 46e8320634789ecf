"""Rehearse a service's autoscaling from the deployment model: the story it tells, step by step, and its canary.

Time is simulated: a step of the story sets the load, the controller looks every 15 seconds, pods take a while until
they are ready. Loads are in hundredths of a pod's CPU request, so that 450 are 75 % of six pods.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from bezant.rehearsal.autoscaling.horizontal import (
    SYNC_SECONDS,
    Controller,
    Direction,
    HorizontalAutoscaler,
    Metric,
    Pod,
    Policy,
)
from bezant.topology.model.delivery import Autoscaling, AutoscalingStep, Canary

_GROWS_BY: Final = (Policy(100, True, 60), Policy(2, False, 60))
_SHRINKS_BY: Final = (Policy(50, True, 60),)
"""The policies of `charts/bezant/templates/services/scaling.yaml`, slower than what Kubernetes does by default."""
START_SECONDS = 45
"""From a decision until the new pod answers its readiness probe."""
_SETTLE_SECONDS = 300
_DAY_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Moment:
    """A change: when, to how many replicas, how many of them ready, and the controller's reason."""

    at_seconds: int
    replicas: int
    ready: int
    cpu_utilisation: float
    reason: str


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What became of one told step."""

    told: AutoscalingStep
    began_with: int
    reached: int
    decided_after_seconds: int | None
    ready_after_seconds: int | None

    @property
    def is_as_told(self) -> bool:
        """Whether it began and ended with the told numbers."""
        return (self.began_with, self.reached) == (self.told.replicas_before, self.told.replicas_after)


@dataclass(slots=True)
class PodLife:
    """One pod: when it was decided on, when it was ready, and when it was taken away, if it was."""

    name: str
    created_seconds: int
    ready_seconds: int
    removed_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """A told load: from when until when, and how much, in hundredths of a pod's CPU request."""

    start_seconds: int
    end_seconds: int
    words: str
    hundredths: float


@dataclass(frozen=True, slots=True)
class Story:
    """A whole story under one CPU target."""

    cpu_target: float
    outcomes: tuple[StepOutcome, ...]
    timeline: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class Climb:
    """What the memory metric does to the replicas at one step of a canary."""

    weight: float
    canary_pods: int
    ratio: float
    before: int
    after: int

    @property
    def is_ratchet(self) -> bool:
        """Whether replicas grew though memory did not."""
        return self.after > self.before


def declared(scaling: Autoscaling, cpu_target: float) -> HorizontalAutoscaler:
    """Return the autoscaler of a service under a CPU target as the chart declares it, with the model's window."""
    return HorizontalAutoscaler(
        min_replicas=scaling.min_replicas,
        max_replicas=scaling.max_replicas,
        targets={Metric.CPU: cpu_target},
        scale_up=Direction(0, _GROWS_BY),
        scale_down=Direction(int(scaling.scale_down_stabilisation_minutes * 60), _SHRINKS_BY),
    )


@dataclass
class _Fleet:
    """Pods over time: ready at once in the beginning, later ones after a while."""

    alive: list[PodLife] = field(default_factory=list)
    ever: list[PodLife] = field(default_factory=list)

    def resize(self, now: int, replicas: int, start_seconds: int = START_SECONDS) -> None:
        """Take the youngest pods away, as a ReplicaSet chooses, or add new ones."""
        self.alive.sort(key=lambda pod: pod.ready_seconds)
        for pod in self.alive[replicas:]:
            pod.removed_seconds = now
        del self.alive[replicas:]
        for number in range(len(self.ever) + 1, len(self.ever) + 1 + replicas - len(self.alive)):
            pod = PodLife(f"pod-{number}", now, now + start_seconds)
            self.alive.append(pod)
            self.ever.append(pod)

    def ready(self, now: int) -> int:
        return sum(pod.ready_seconds <= now for pod in self.alive)

    def seen(self, now: int, load: float) -> list[Pod]:
        ready = self.ready(now)
        share = load / ready if ready else None
        return [
            Pod({Metric.CPU: share if pod.ready_seconds <= now else None}, is_ready=pod.ready_seconds <= now)
            for pod in self.alive
        ]


def rehearse_story(scaling: Autoscaling, cpu_target: float) -> Story:
    """Return what the controller does when the loads of the story come one after the other.

    A step lasts until nothing has changed for five minutes, scaling down for the window and five minutes.
    """
    controller = Controller(declared(scaling, cpu_target))
    fleet, now = _Fleet(), 0
    fleet.resize(0, scaling.min_replicas, start_seconds=0)
    timeline, outcomes = [Moment(0, scaling.min_replicas, scaling.min_replicas, 0.0, "the minimum")], []
    for step in scaling.story:
        if step.cpu_utilisation is None:
            continue
        began, began_with = now, len(fleet.alive)
        load = step.replicas_before * step.cpu_utilisation
        decided_at: int | None = None
        quiet_until = now + _SETTLE_SECONDS + int(scaling.scale_down_stabilisation_minutes * 60)
        while now < quiet_until and now < began + _DAY_SECONDS:
            now += SYNC_SECONDS
            current = len(fleet.alive)
            decision = controller.decide(now, current, fleet.seen(now, load))
            if decision.replicas == current:
                continue
            decided_at, quiet_until = now, now + START_SECONDS + _SETTLE_SECONDS
            busy = load / max(1, fleet.ready(now))
            fleet.resize(now, decision.replicas)
            timeline.append(
                Moment(now, decision.replicas, fleet.ready(now), round(busy, 1), decision.proposals[0].arithmetic)
            )
        ready_at = None if decided_at is None else max(decided_at, *(pod.ready_seconds for pod in fleet.alive))
        outcomes.append(
            StepOutcome(
                told=step,
                began_with=began_with,
                reached=len(fleet.alive),
                decided_after_seconds=None if decided_at is None else decided_at - began,
                ready_after_seconds=None if ready_at is None else ready_at - began,
            )
        )
    return Story(cpu_target, tuple(outcomes), tuple(timeline))


def explaining_targets(scaling: Autoscaling) -> Sequence[int]:
    """Return the whole CPU targets under which every told step up comes out as told."""

    def explains(target: int) -> bool:
        steps_up = [one for one in rehearse_story(scaling, target).outcomes if _is_up(one.told)]
        return all(outcome.is_as_told for outcome in steps_up)

    return [target for target in range(20, 96) if explains(target)]


def _is_up(step: AutoscalingStep) -> bool:
    return step.replicas_after > step.replicas_before


def rehearse_canary(scaling: Autoscaling, canary: Canary, *, utilisation: float, target: float) -> Iterator[Climb]:
    """Yield what a memory metric does at each weight: canary pods count, and memory stays when pods are added.

    The controller multiplies the mean by all pods that match its selector, the canary's too, and sets the replicas of
    the stable version to that: what was right for all pods becomes the number of one part of them.
    """
    autoscaler = HorizontalAutoscaler(
        min_replicas=scaling.min_replicas,
        max_replicas=scaling.max_replicas,
        targets={Metric.MEMORY: target},
        scale_up=Direction(0, _GROWS_BY),
    )
    replicas = scaling.min_replicas
    controller, now = Controller(autoscaler), 0
    for step in canary.steps:
        before = replicas
        for _ in range(int(step.hold_minutes * 60) // SYNC_SECONDS):
            now += SYNC_SECONDS
            matching = replicas + math.ceil(replicas * step.weight / 100)
            decision = controller.decide(now, replicas, [Pod({Metric.MEMORY: utilisation})] * matching)
            replicas = decision.replicas
        yield Climb(
            weight=step.weight,
            canary_pods=math.ceil(before * step.weight / 100),
            ratio=round((1 + step.weight / 100) * utilisation / target, 3),
            before=before,
            after=replicas,
        )
