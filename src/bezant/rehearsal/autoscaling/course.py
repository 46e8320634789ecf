"""Pods and nodes together: the loads of the story, then every service's maximum, then a usual day.

Both autoscalers look at their own pace: the pods' every 15 s, the nodes' every 10 s. A pod serves once it has a node
and has started; until then the others carry its share.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bezant.rehearsal.autoscaling.cluster import Cluster, Happening, NodeLife
from bezant.rehearsal.autoscaling.horizontal import SYNC_SECONDS, TOLERANCE, Controller, Metric, Pod
from bezant.rehearsal.autoscaling.nodes import DELAY_AFTER_ADD_SECONDS, SCAN_SECONDS
from bezant.rehearsal.autoscaling.story import START_SECONDS, Load, Moment, PodLife, declared
from bezant.topology.capacity.scheduler import Pending
from bezant.topology.model.delivery import Autoscaling
from bezant.topology.model.deployment import Topology
from bezant.topology.model.workloads import Service

_RASTER_SECONDS: Final = 5
_USUAL_PERCENT: Final = 40.0
"""The usual utilisation where the model says nothing."""
_LONGEST_PHASE_SECONDS: Final = 3 * 3600
MAXIMUM: Final = "every service at its maximum"
USUAL: Final = "a usual day"


@dataclass(frozen=True, slots=True)
class Stuck:
    """Pods of one workload that had no node when a load ended, and why."""

    load: str
    workload: str
    pods: int
    reason: str


@dataclass
class Course:
    """What became of pods and nodes."""

    cpu_target: float
    loads: list[Load] = field(default_factory=list)
    pods: list[PodLife] = field(default_factory=list)
    placed: dict[str, int] = field(default_factory=dict)
    """Second at which each pod got its first node, by name."""
    nodes: list[NodeLife] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
    stuck: list[Stuck] = field(default_factory=list)
    sizes: list[tuple[float, float]] = field(default_factory=list)
    utilisation: list[tuple[float, float]] = field(default_factory=list)
    requested: list[tuple[float, float]] = field(default_factory=list)

    @property
    def end_seconds(self) -> int:
        """When it was over."""
        return self.loads[-1].end_seconds

    @property
    def longest_wait_seconds(self) -> int:
        """The longest time that a pod which got a node waited for it."""
        return max(
            (self.placed[pod.name] - pod.created_seconds for pod in self.pods if pod.name in self.placed), default=0
        )


def _loads(scaling: Autoscaling, cpu_target: float) -> Iterator[tuple[str, float]]:
    for step in scaling.story:
        if step.cpu_utilisation is not None:
            yield (
                f"{step.cpu_utilisation:g} % of {step.replicas_before} pods",
                step.replicas_before * step.cpu_utilisation,
            )
    # enough above the target that the tolerance does not hold the last pods back
    yield MAXIMUM, scaling.max_replicas * cpu_target * (1 + 2 * TOLERANCE)
    usual = _USUAL_PERCENT if scaling.normal_cpu_utilisation is None else scaling.normal_cpu_utilisation
    yield USUAL, scaling.min_replicas * usual


def rehearse_course(topology: Topology, service: Service, scaling: Autoscaling, cpu_target: float) -> Course:
    """Return what both autoscalers do. A load lasts until nothing has changed for as long as they may still act."""
    course = Course(cpu_target)
    run = _Run(course, Cluster(topology, service, START_SECONDS), Controller(declared(scaling, cpu_target)))
    run.resize(0, scaling.min_replicas, "the minimum")
    # the pods of the beginning are long there: those that found a node serve at once
    for pod in run.alive:
        if pod.name in course.placed:
            pod.ready_seconds = 0
    idle = int(topology.node_autoscaler.scale_down_after_minutes * 60) + DELAY_AFTER_ADD_SECONDS
    window = int(scaling.scale_down_stabilisation_minutes * 60)
    before = 0.0
    for words, load in _loads(scaling, cpu_target):
        run.cluster.others(run.now, at_maximum=words == MAXIMUM)
        # a smaller load may free nodes: that takes the pods' window and then the nodes'
        run.carry(words, load, quiet_seconds=window + (idle if load < before else 0) + 60)
        before = load
    course.nodes = list(run.cluster.lives.values())
    course.happened = run.cluster.happened
    return course


@dataclass
class _Run:
    course: Course
    cluster: Cluster
    controller: Controller
    now: int = 0
    alive: list[PodLife] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def resize(self, now: int, replicas: int, reason: str, busy: float = 0.0) -> None:
        # those without a node and the youngest go first, as a ReplicaSet chooses
        self.alive.sort(
            key=lambda pod: (pod.name not in self.course.placed, pod.created_seconds, self.numbers[pod.name])
        )
        for pod in self.alive[replicas:]:
            pod.removed_seconds = now
        del self.alive[replicas:]
        for number in range(len(self.course.pods) + 1, len(self.course.pods) + 1 + replicas - len(self.alive)):
            pod = PodLife(f"pod-{number}", now, _LONGEST_PHASE_SECONDS * 100)
            self.numbers[pod.name] = number
            self.alive.append(pod)
            self.course.pods.append(pod)
        self.cluster.resize(now, [self.numbers[pod.name] for pod in self.alive])
        self._note_places()
        self.course.moments.append(Moment(now, replicas, self._ready(), busy, reason))

    def _note_places(self) -> None:
        for pod in self.alive:
            placed = self.cluster.placed_seconds.get(self.numbers[pod.name])
            if placed is not None and self.course.placed.get(pod.name) is None:
                self.course.placed[pod.name] = placed
                pod.ready_seconds = placed + START_SECONDS

    def _ready(self) -> int:
        return sum(pod.ready_seconds <= self.now for pod in self.alive)

    def carry(self, words: str, load: float, *, quiet_seconds: int) -> None:
        """Let a load last until nothing has changed for that long."""
        course, began = self.course, self.now
        changed = self.now
        while self.now < changed + quiet_seconds and self.now < began + _LONGEST_PHASE_SECONDS:
            self.now += _RASTER_SECONDS
            seen = (len(self.cluster.happened), len(course.placed), len(course.moments), self.cluster.size)
            self.cluster.advance(self.now)
            self._note_places()
            if self.now % SYNC_SECONDS == 0:
                self._decide(load)
            if (len(self.cluster.happened), len(course.placed), len(course.moments), self.cluster.size) != seen:
                changed = self.now
            course.sizes.append((float(self.now), float(self.cluster.size)))
            course.utilisation.append((float(self.now), round(load / max(1, self._ready()), 1)))
            if self.now % SCAN_SECONDS == 0:
                course.requested.append((float(self.now), self.cluster.requested_percent()))
        course.loads.append(Load(began, self.now, words, load))
        waiting: dict[str, list[Pending]] = {}
        for one in self.cluster.pending:
            waiting.setdefault(one.pod.workload, []).append(one)
        course.stuck += [Stuck(words, workload, len(those), str(those[0])) for workload, those in waiting.items()]

    def _decide(self, load: float) -> None:
        ready = self._ready()
        share = load / ready if ready else None
        seen = [
            Pod({Metric.CPU: share if pod.ready_seconds <= self.now else None}, pod.ready_seconds <= self.now)
            for pod in self.alive
        ]
        decision = self.controller.decide(self.now, len(self.alive), seen)
        if decision.replicas != len(self.alive):
            busy = round(load / max(1, ready), 1)
            self.resize(self.now, decision.replicas, decision.proposals[0].arithmetic, busy)
