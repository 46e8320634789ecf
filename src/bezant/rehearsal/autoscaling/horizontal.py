"""The HorizontalPodAutoscaler of Kubernetes as pure functions: what it decides from what it sees.

Source: https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/, sections "Algorithm details" and
"Configurable scaling behavior" (autoscaling/v2, Kubernetes 1.37). Utilisations and targets are percentages of what a
pod requests; times are seconds. Where the controller's code is more careful than that page, the page is
followed: on the way down it lets a pod without a figure count as 100 % of the request where that is above the target.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

TOLERANCE: Final = 0.1
"""A ratio this near to 1 changes nothing (--horizontal-pod-autoscaler-tolerance)."""
SYNC_SECONDS: Final = 15
"""How often the controller looks (--horizontal-pod-autoscaler-sync-period)."""
_EXACTNESS: Final = 1e-9


class Metric(StrEnum):
    """A resource metric."""

    CPU = "cpu"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as the controller sees it: utilisation by metric, None where there is no figure yet."""

    utilisation: dict[Metric, float | None]
    is_ready: bool = True


class Select(StrEnum):
    """Which of several policies counts."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class Policy:
    """At most so many pods, or so many percent, in a period."""

    value: int
    is_percent: bool
    period_seconds: int


@dataclass(frozen=True, slots=True)
class Direction:
    """How fast the number of replicas may change in one direction."""

    stabilisation_seconds: int
    policies: tuple[Policy, ...]
    select: Select = Select.MAX


SCALE_UP: Final = Direction(0, (Policy(100, True, 15), Policy(4, False, 15)))
"""The default: double, or four more, every 15 s."""
SCALE_DOWN: Final = Direction(300, (Policy(100, True, 15),))
"""The default: what was asked for at any time in the last five minutes is kept."""


@dataclass(frozen=True, slots=True)
class HorizontalAutoscaler:
    """What is declared."""

    min_replicas: int
    max_replicas: int
    targets: dict[Metric, float]
    scale_up: Direction = SCALE_UP
    scale_down: Direction = SCALE_DOWN


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric asks for, and by which arithmetic; None when it cannot be computed."""

    metric: Metric
    replicas: int | None
    arithmetic: str


def propose(metric: Metric, target: float, current: int, pods: Sequence[Pod]) -> Proposal:
    """Return what a metric asks for.

    Pods without a figure, and pods that are not ready, are left out of the mean first. When the rest ask for more,
    both count as using nothing; when they ask for fewer, those without a figure count as using the target. A
    correction that turns the direction around, or falls into the tolerance, changes nothing.
    """
    known = [pod.utilisation[metric] for pod in pods if pod.is_ready and pod.utilisation.get(metric) is not None]
    figures = [figure for figure in known if figure is not None]
    if not figures:
        return Proposal(metric, None, "no pod has a figure")
    unready = sum(not pod.is_ready for pod in pods)
    missing = len(pods) - unready - len(figures)
    ratio = sum(figures) / len(figures) / target
    said = f"mean {sum(figures) / len(figures):.1f} % of {len(figures)} / {target:g} % = {ratio:.3f}"
    if missing == 0 and (unready == 0 or ratio <= 1):
        if _is_near_one(ratio):
            return Proposal(metric, current, f"{said}, within the tolerance")
        return Proposal(metric, _ceil(ratio * len(figures)), f"{said}, x {len(figures)}")
    filled = [*figures, *([0.0 if ratio > 1 else target] * missing)]
    if ratio > 1:
        filled += [0.0] * unready
    corrected = sum(filled) / len(filled) / target
    said = f"{said}; with {missing} missing and {unready} not ready {corrected:.3f}"
    if _is_near_one(corrected) or (ratio > 1) != (corrected > 1):
        return Proposal(metric, current, f"{said}, changes nothing")
    wanted = _ceil(corrected * len(filled))
    turned = (corrected > 1 and wanted < current) or (corrected < 1 and wanted > current)
    return Proposal(metric, current if turned else wanted, said)


def _is_near_one(ratio: float) -> bool:
    return abs(ratio - 1) <= TOLERANCE + _EXACTNESS


def _ceil(value: float) -> int:
    return math.ceil(value - _EXACTNESS)


@dataclass(frozen=True, slots=True)
class Decision:
    """The new number of replicas, what each metric asked for, and what held it back."""

    replicas: int
    proposals: tuple[Proposal, ...]
    limited_by: str = ""


@dataclass
class Controller:
    """One autoscaler over time: it remembers what it recommended and what it changed."""

    declared: HorizontalAutoscaler
    _recommended: list[tuple[float, int]] = field(default_factory=list)
    _looked: bool = False
    _changes: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, now: float, current: int, pods: Sequence[Pod]) -> Decision:
        """Return the decision at a time, in seconds. The largest proposal wins (docs: "the maximum is used")."""
        proposals = tuple(propose(metric, target, current, pods) for metric, target in self.declared.targets.items())
        known = [proposal.replicas for proposal in proposals if proposal.replicas is not None]
        wanted = max(known, default=current)
        if len(known) < len(proposals) and wanted < current:
            # A metric that cannot be read never lets the number fall.
            wanted = current
        stabilised = self._stabilised(now, current, wanted)
        limited, reason = self._limited(now, current, stabilised)
        if not reason and stabilised != wanted:
            reason = "stabilisation window"
        if limited != current:
            self._changes.append((now, limited - current))
        return Decision(limited, proposals, reason)

    def _stabilised(self, now: float, current: int, wanted: int) -> int:
        up, down = self.declared.scale_up, self.declared.scale_down
        longest = max(up.stabilisation_seconds, down.stabilisation_seconds)
        if not self._looked:
            # the controller takes what it finds for its first recommendation: its own restart must not scale down
            self._looked = True
            self._recommended.append((now, current))
        self._recommended = [(at, was) for at, was in self._recommended if at > now - longest]
        lowest = min([wanted, *(was for at, was in self._recommended if at > now - up.stabilisation_seconds)])
        highest = max([wanted, *(was for at, was in self._recommended if at > now - down.stabilisation_seconds)])
        self._recommended.append((now, wanted))
        return min(max(current, lowest), highest)

    def _limited(self, now: float, current: int, wanted: int) -> tuple[int, str]:
        """Return the number within the policies and within minimum and maximum, and which of them held it back."""
        result, reason = wanted, ""
        if wanted > current:
            most = self._reach(now, current, self.declared.scale_up, up=True)
            result, reason = (most, "scale-up policy") if wanted > most else (wanted, "")
        elif wanted < current:
            least = self._reach(now, current, self.declared.scale_down, up=False)
            result, reason = (least, "scale-down policy") if wanted < least else (wanted, "")
        if result > self.declared.max_replicas:
            return self.declared.max_replicas, "maximum"
        if result < self.declared.min_replicas:
            return self.declared.min_replicas, "minimum"
        return result, reason

    def _reach(self, now: float, current: int, direction: Direction, *, up: bool) -> int:
        if direction.select is Select.DISABLED:
            return current
        reached = []
        for policy in direction.policies:
            recent = [by for at, by in self._changes if at > now - policy.period_seconds]
            # where the period began: what was added since, and what was taken, counts for the policy
            start = current - sum(recent)
            step = start * policy.value / 100 if policy.is_percent else policy.value
            reached.append(_ceil(start + step) if up else math.floor(start - step + _EXACTNESS))
        widest = max if (direction.select is Select.MAX) is up else min
        # a policy that is used up holds the number; it never turns it around
        return max(widest(reached), current) if up else min(widest(reached), current)
