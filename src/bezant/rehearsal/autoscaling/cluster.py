"""A simulated cluster: the model's nodes and pods, the scheduler, and the node autoscaler, from second to second.

The pods of one service come and go as its pod autoscaler says (`resize`); everything else of the model stands where the
scheduler puts it. Nodes that are added can take pods after the model's longest provisioning time.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bezant.rehearsal.autoscaling.nodes import (
    LONGEST_GRACE_SECONDS,
    SCAN_SECONDS,
    Evictable,
    Group,
    ScaleDown,
    scale_up,
)
from bezant.topology.assumptions import Assumptions
from bezant.topology.capacity.nodes import allocatable, daemonset_request
from bezant.topology.capacity.pods import Pod, all_workloads, pods_of
from bezant.topology.capacity.scheduler import Node, Pending, schedule
from bezant.topology.machines import node_machine
from bezant.topology.model.deployment import Topology
from bezant.topology.model.workloads import Service

_UNBOUNDED: Final = 150
"""Nodes of a group in a zone where the model states no bound: what EKS allows a managed group in three zones."""


@dataclass(slots=True)
class NodeLife:
    """One node: when it was asked for, when it could take pods, and when it was taken away, if it was."""

    name: str
    group: str
    asked_seconds: int
    ready_seconds: int
    draining_seconds: int | None = None
    removed_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that the node autoscaler did, or that happened to pods."""

    at_seconds: int
    text: str


@dataclass
class Cluster:
    """Nodes and pods over time. `advance` must be called for each second of the scan's raster in order."""

    topology: Topology
    service: Service
    start_seconds: int
    assumptions: Assumptions = field(default_factory=Assumptions)
    lives: dict[str, NodeLife] = field(default_factory=dict)
    happened: list[Happening] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    placed_seconds: dict[int, int] = field(default_factory=dict)
    """When each pod of the service got its node, by number; a pod that was moved has the later time."""

    def __post_init__(self) -> None:
        region, assumed = self.topology.primary, self.assumptions
        self.groups = [
            Group(
                group.name, zone, allocatable(node_machine(group.instance_type), assumed),
                daemonset_request(region, assumed),
                node_machine(group.instance_type).max_pods - len(region.cluster.daemonsets),
                group.nodes_per_zone,
                _UNBOUNDED if group.max_nodes_per_zone is None else max(group.max_nodes_per_zone, group.nodes_per_zone),
            )
            for group in region.cluster.node_groups
            for zone in region.availability_zones
        ]  # fmt: skip
        scaler = self.topology.node_autoscaler
        self._down = ScaleDown(scaler.scale_down_below_utilisation, scaler.scale_down_after_minutes * 60)
        self._nodes: list[Node] = []
        self._coming: list[Node] = []
        self._waiting: list[Pod] = []
        self._moved: list[tuple[int, Pod]] = []
        self._ready_again: dict[str, int] = {}
        self._changed = True
        self._numbers: Counter[tuple[str, str]] = Counter()
        for group in self.groups:
            for _ in range(group.minimum):
                self._nodes.append(self._new_node(group, 0, 0))
        for workload in all_workloads(self.topology):
            if workload.name != self.service.name:
                self._waiting += pods_of(self.topology, workload, "stable", workload.replicas, self.assumptions)
        self._schedule(0)

    def others(self, now: int, *, at_maximum: bool) -> None:
        """Have every other autoscaled service at its maximum, or as many pods of it as on a usual day."""
        for service in self.topology.services:
            if service.autoscaling is None or service.name == self.service.name:
                continue
            count = service.autoscaling.max_replicas if at_maximum else service.replicas
            self._have(pods_of(self.topology, service, "stable", count, self.assumptions))
        self._schedule(now)

    def _new_node(self, group: Group, asked: int, ready: int) -> Node:
        self._numbers[group.name, group.zone] += 1
        node = group.node(f"{group.name}-{group.zone[-2:]}-{self._numbers[group.name, group.zone]}")
        self.lives[node.name] = NodeLife(node.name, group.name, asked, ready)
        return node

    @property
    def size(self) -> int:
        """How many nodes can take pods."""
        return len(self._nodes)

    def requested_percent(self) -> float:
        """Return the requested share of all nodes' CPU, daemonsets left out."""
        used = sum(pod.request.cpu_millicores for node in self._nodes for pod in node.pods)
        offered = used + sum(node.free.cpu_millicores for node in self._nodes)
        return round(100 * used / offered, 1)

    def resize(self, now: int, numbers: Sequence[int]) -> None:
        """Have exactly the pods with these numbers, and place what is new where there is room."""
        [made] = pods_of(self.topology, self.service, "stable", 1, self.assumptions)
        self._have([replace(made, number=number) for number in numbers])
        self._schedule(now)

    def _have(self, pods: Sequence[Pod]) -> None:
        """Have exactly these pods of their workload: the rest goes, and what is new waits for the scheduler."""
        workload, wanted = pods[0].workload, {pod.number for pod in pods}

        def stays(pod: Pod) -> bool:
            return pod.workload != workload or pod.number in wanted

        for node in self._nodes:
            for pod in [one for one in node.pods if not stays(one)]:
                _remove(node, pod)
        self._waiting = [pod for pod in self._waiting if stays(pod)]
        self._moved = [(at, pod) for at, pod in self._moved if stays(pod)]
        placed = [pod for node in self._nodes for pod in node.pods]
        everywhere = (*placed, *self._waiting, *(pod for _, pod in self._moved))
        there = {pod.number for pod in everywhere if pod.workload == workload}
        self._waiting += [pod for pod in pods if pod.number not in there]
        self._changed = True

    def _schedule(self, now: int) -> None:
        self.pending = schedule(self._nodes, self._waiting)
        still = {one.pod.name for one in self.pending}
        for pod in self._waiting:
            if pod.name not in still and pod.workload == self.service.name:
                self.placed_seconds[pod.number] = now
        self._waiting = [one.pod for one in self.pending]

    def advance(self, now: int) -> None:
        """Let nodes become ready and ended pods come back; at the scan's raster, let the autoscaler look."""
        ready = [node for node in self._coming if self.lives[node.name].ready_seconds <= now]
        back = [pod for at, pod in self._moved if at <= now]
        if ready or back:
            self._coming = [node for node in self._coming if node not in ready]
            self._nodes += ready
            self._moved = [(at, pod) for at, pod in self._moved if at > now]
            self._waiting += back
            self._ready_again |= {pod.name: now + self.start_seconds for pod in back}
            self._changed = True
            self._schedule(now)
        if now % SCAN_SECONDS == 0:
            self._scan(now)

    def _scan(self, now: int) -> None:
        """Look once. Without a change since the last look there is nothing new to find, but time has passed."""
        if self._changed:
            self._changed = self._scan_up(now)
            self._down.look(now, self._nodes, self.groups)
        for node in self._down.going(now, self._nodes, self._evictable(now)):
            self._take_away(now, node)

    def _scan_up(self, now: int) -> bool:
        provision = int(self.topology.node_autoscaler.provision_minutes.high * 60)
        additions = scale_up([*self._nodes, *self._coming], self.groups, self._waiting) if self._waiting else []
        for addition in additions:
            self._coming += [self._new_node(addition.group, now, now + provision) for _ in range(addition.count)]
            self._down.added(now)
            where = f"{addition.group.name} in {addition.group.zone}"
            self.happened.append(
                Happening(now, f"{addition.count} more of {where} asked for: {len(self._waiting)} pods wait")
            )
        return bool(additions)

    def _evictable(self, now: int) -> Evictable:
        """What each budget allows: pods that are not ready count against it; the platform's pods need a budget."""
        missing = Counter(pod.workload for pod in self._waiting)
        missing.update(pod.workload for _, pod in self._moved)
        for node in self._nodes:
            missing.update(pod.workload for pod in node.pods if self._ready_again.get(pod.name, 0) > now)
        allowed = {}
        for workload in all_workloads(self.topology):
            budget = workload.disruption_budget
            if budget is not None:
                allowed[workload.name] = budget.max_unavailable - missing[workload.name]
            elif workload in self.topology.services:
                allowed[workload.name] = workload.replicas
        return Evictable(allowed)

    def _take_away(self, now: int, node: Node) -> None:
        grace = {workload.name: workload.termination_grace_seconds for workload in all_workloads(self.topology)}
        drained = now + int(max([0.0, *(min(grace[pod.workload], LONGEST_GRACE_SECONDS) for pod in node.pods)]))
        life = self.lives[node.name]
        life.draining_seconds, life.removed_seconds = now, drained
        self._nodes.remove(node)
        self._moved += [(now, pod) for pod in node.pods]
        self._changed = True
        moved = f", its {len(node.pods)} pods move" if node.pods else ", it is empty"
        self.happened.append(Happening(now, f"{node.name} is taken away{moved}"))


def _remove(node: Node, pod: Pod) -> None:
    node.pods.remove(pod)
    node.free = node.free.plus(pod.request)
    node.pods_left += 1
