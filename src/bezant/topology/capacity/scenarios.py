"""What must fit: a usual day, an update of everything, a canary, the autoscaler's maximum; each with every zone up and
with each zone lost."""

from dataclasses import dataclass, replace
from typing import Final

from bezant.topology.assumptions import Assumptions
from bezant.topology.capacity.nodes import free_node
from bezant.topology.capacity.pods import Pod, all_workloads, largest_canary, pod_request, pods_of
from bezant.topology.capacity.resources import NOTHING, Resources
from bezant.topology.capacity.scheduler import Node, Pending, schedule
from bezant.topology.machines import node_machine
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from bezant.topology.model.workloads import Workload

STEADY: Final = "a usual day"
UPDATE: Final = "every service updating"
AUTOSCALED: Final = "the autoscaler's maximum"


def canary_of(service: str) -> str:
    """Return the name of the load in which that service's canary stands at its last step."""
    return f"the last canary step of {service}"


@dataclass(frozen=True)
class Outcome:
    """What became of one load with one zone lost or none."""

    load: str
    lost_zone: str | None
    nodes: tuple[Node, ...]
    pending: tuple[Pending, ...]
    wanted: Resources
    pods: int

    @property
    def offered(self) -> Resources:
        """Return what the nodes that are left offer in all, used or not."""
        total = NOTHING
        for node in self.nodes:
            if not node.lost:
                total = total.plus(node.free)
                for pod in node.pods:
                    total = total.plus(pod.request)
        return total

    def sentence(self) -> str:
        """Return the sums and the scheduler's answer."""
        left = [node for node in self.nodes if not node.lost]
        where = f"{self.lost_zone} lost" if self.lost_zone else "every zone up"
        text = (
            f"{self.load}, {where}: {self.pods} pods ask for {_round(self.wanted)}; "
            f"{len(left)} nodes offer {_round(self.offered)}; pending {len(self.pending)}"
        )
        if not self.pending:
            return text
        shown = "; ".join(str(pending) for pending in self.pending[:3])
        more = f"; and {len(self.pending) - 3} more" if len(self.pending) > 3 else ""
        return f"{text}: {shown}{more}"


class Placements:
    """Schedules the loads of a region; each outcome is computed once."""

    def __init__(self, topology: Topology, region: Region, assumptions: Assumptions) -> None:
        self._topology = topology
        self._region = region
        self._assumptions = assumptions
        self._outcomes: dict[tuple[str, str | None, bool], Outcome] = {}

    def outcome(self, load: str, lost_zone: str | None = None, *, keep_apart: bool = False) -> Outcome:
        """Return what becomes of a load. Required anti-affinity has a rule of its own, so it is taken as preferred
        unless `keep_apart`: else its pending pods would hide a lack of nodes."""
        key = (load, lost_zone, keep_apart)
        if key not in self._outcomes:
            self._outcomes[key] = self._schedule(load, lost_zone, keep_apart=keep_apart)
        return self._outcomes[key]

    def with_each_zone_lost(self, load: str) -> list[Outcome]:
        """Return the outcomes of a load for each lost zone."""
        return [self.outcome(load, zone) for zone in self._region.availability_zones]

    def nodes(self, *, grown: bool) -> list[Node]:
        """Return the empty nodes: those always there, or as many as the node autoscaler may make."""
        nodes = []
        for group in self._region.cluster.node_groups:
            count = group.nodes_per_zone
            if grown and group.max_nodes_per_zone is not None:
                count = max(count, group.max_nodes_per_zone)
            free = free_node(self._region, group, self._assumptions)
            pods_left = node_machine(group.instance_type).max_pods - len(self._region.cluster.daemonsets)
            nodes += [
                Node(f"{group.name}-{zone}-{number}", group.name, zone, free, pods_left)
                for number in range(count)
                for zone in self._region.availability_zones
            ]
        return nodes

    def _schedule(self, load: str, lost_zone: str | None, *, keep_apart: bool) -> Outcome:
        nodes = self.nodes(grown=load == AUTOSCALED)
        base, extra = self._base(load), self._extra(load)
        if not keep_apart:
            base, extra = _soften(base), _soften(extra)
        pending = schedule(nodes, base) + schedule(nodes, extra)
        if lost_zone is not None:
            evicted: list[Pod] = []
            for node in nodes:
                if node.zone == lost_zone:
                    evicted += node.pods
                    node.pods, node.lost = [], True
            order = {pod.name: place for place, pod in enumerate((*base, *extra))}
            waiting = [outcome.pod for outcome in pending]
            pending = schedule(nodes, sorted((*evicted, *waiting), key=lambda pod: order[pod.name]))
        wanted = NOTHING
        for pod in (*base, *extra):
            wanted = wanted.plus(pod.request)
        return Outcome(load, lost_zone, tuple(nodes), tuple(pending), wanted, len(base) + len(extra))

    def _base(self, load: str) -> list[Pod]:
        pods = []
        for workload in all_workloads(self._topology):
            scaling = getattr(workload, "autoscaling", None)
            count = scaling.max_replicas if scaling is not None and load == AUTOSCALED else workload.replicas
            pods += pods_of(self._topology, workload, "stable", count, self._assumptions)
        return pods

    def _extra(self, load: str) -> list[Pod]:
        pods = []
        for service in self._topology.services:
            if load == UPDATE:
                surge = service.rollout.max_surge
                pods += pods_of(self._topology, service, "next", surge, self._assumptions)
            elif load == canary_of(service.name):
                pods += pods_of(self._topology, service, "canary", largest_canary(service), self._assumptions)
        return pods


def standby_pods(topology: Topology, assumptions: Assumptions) -> list[Pod]:
    """Return the pods that stand by in the secondary region."""
    pods = []
    for workload in all_workloads(topology):
        pods += pods_of(topology, workload, "stable", workload.standby_replicas or 0, assumptions)
    return pods


def sum_of(topology: Topology, workloads: tuple[Workload, ...], assumptions: Assumptions) -> Resources:
    """Return what all replicas of the workloads ask for."""
    total = NOTHING
    for workload in workloads:
        total = total.plus(pod_request(topology, workload, assumptions), workload.replicas)
    return total


def _soften(pods: list[Pod]) -> list[Pod]:
    softened = []
    for pod in pods:
        apart = pod.placement.anti_affinity
        if apart is not None and apart.required:
            preferred = apart.model_copy(update={"required": False})
            pod = replace(pod, placement=pod.placement.model_copy(update={"anti_affinity": preferred}))  # noqa: PLW2901
        softened.append(pod)
    return softened


def _round(resources: Resources) -> str:
    return f"{resources.cpu_millicores / 1000:.1f} vCPU and {resources.memory_mebibytes / 1024:.1f} GiB"
