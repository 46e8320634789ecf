"""The Cluster Autoscaler of Kubernetes as pure functions: which nodes it adds for pending pods, which it takes away.

Source: https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md, sections "How does scale-up
work?", "How does scale-down work?", "What are Expanders?" and "What are the parameters to CA?" (the defaults). A node
group stands in one zone, as an autoscaling group on EKS has to for topology spread to work. Of the expanders it is
least-waste, with balanced similar groups; where two waste the same the first by name wins, since a rehearsal has to
come out alike each time. Resources are millicores and mebibytes, times seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bezant.topology.capacity.pods import Pod
from bezant.topology.capacity.resources import NOTHING, Resources
from bezant.topology.capacity.scheduler import Node, place, schedule, why_not

SCAN_SECONDS: Final = 10
"""How often the autoscaler looks (--scan-interval)."""
DELAY_AFTER_ADD_SECONDS: Final = 600
"""How long nothing is taken away after a node was added (--scale-down-delay-after-add)."""
MOST_EMPTY_AT_ONCE: Final = 10
"""Empty nodes that go together (--max-empty-bulk-delete); of others one goes at a time."""
LONGEST_GRACE_SECONDS: Final = 600
"""How long a pod may take to end when its node goes (--max-graceful-termination-sec)."""


@dataclass(frozen=True, slots=True)
class Group:
    """A node group in one zone: what its nodes offer, and its bounds."""

    name: str
    zone: str
    allocatable: Resources
    daemonsets: Resources
    pods_left: int
    minimum: int
    maximum: int

    def node(self, name: str) -> Node:
        """Return an empty node of the group."""
        return Node(name, self.name, self.zone, self.allocatable.plus(self.daemonsets, -1), self.pods_left)


@dataclass(frozen=True, slots=True)
class Addition:
    """Nodes to add to a group, and the pods that they are for."""

    group: Group
    count: int
    pods: tuple[Pod, ...]


def copied(nodes: Sequence[Node]) -> list[Node]:
    """Return nodes that can be filled without touching these."""
    return [replace(node, pods=list(node.pods)) for node in nodes]


def estimate(nodes: Sequence[Node], group: Group, size: int, pending: Sequence[Pod]) -> Addition | None:
    """Return how many nodes of a group would hold which of the pods; None when a node of it helps none.

    Pods go onto new nodes alone, the largest first, and a node is added when none of the new ones has room.
    """
    everything = copied(nodes)
    new: list[Node] = []
    placed: list[Pod] = []
    for pod in sorted(pending, key=lambda one: (-one.request.cpu_millicores, -one.request.memory_mebibytes)):
        chosen = next((node for node in new if why_not(everything, node, pod) is None), None)
        if chosen is None and size + len(new) < group.maximum:
            fresh = group.node(f"{group.name}-{group.zone}-estimated-{len(new)}")
            if why_not([*everything, fresh], fresh, pod) is None:
                new.append(fresh)
                everything.append(fresh)
                chosen = fresh
        if chosen is not None:
            place(chosen, pod)
            placed.append(pod)
    return Addition(group, len(new), tuple(placed)) if placed else None


def waste(option: Addition) -> float:
    """Return the share of CPU that would lie idle plus the share of memory: what the least-waste expander compares."""
    wanted = NOTHING
    for pod in option.pods:
        wanted = wanted.plus(pod.request)
    offered = NOTHING.plus(option.group.allocatable, option.count)
    idle_cpu = (offered.cpu_millicores - wanted.cpu_millicores) / offered.cpu_millicores
    return idle_cpu + (offered.memory_mebibytes - wanted.memory_mebibytes) / offered.memory_mebibytes


def scale_up(nodes: Sequence[Node], groups: Sequence[Group], pending: Sequence[Pod]) -> list[Addition]:
    """Return what is added now: the least wasteful option, spread over similar groups (the same in other zones).

    The nodes are those that are there and those that come; pods that will fit
    these need no others. One option is taken in each scan; what it leaves over is looked at again in the next.
    """
    imagined = copied(nodes)
    waiting = [one.pod for one in schedule(imagined, pending)]
    if not waiting:
        return []
    sizes = {group: _size(nodes, group) for group in groups}
    options = [option for group in groups if (option := estimate(imagined, group, sizes[group], waiting)) is not None]
    if not options:
        return []
    best = min(options, key=lambda option: (waste(option), option.group.name, option.group.zone))
    similar = [option.group for option in options if option.group.name == best.group.name]
    counts = dict.fromkeys(similar, 0)
    for _ in range(best.count):
        open_groups = [group for group in similar if sizes[group] + counts[group] < group.maximum]
        smallest = min(open_groups, key=lambda group: (sizes[group] + counts[group], group.zone))
        counts[smallest] += 1
    return [Addition(group, count, best.pods) for group, count in counts.items() if count]


def _size(nodes: Sequence[Node], group: Group) -> int:
    return sum((node.group, node.zone) == (group.name, group.zone) for node in nodes)


def utilisation(node: Node, group: Group) -> float:
    """Return the requested share of a node in percent, of CPU or of memory, whichever is more; daemonsets count."""
    used = group.daemonsets
    for pod in node.pods:
        used = used.plus(pod.request)
    offered = group.allocatable
    cpu = used.cpu_millicores / offered.cpu_millicores
    return 100 * max(cpu, used.memory_mebibytes / offered.memory_mebibytes)


@dataclass(frozen=True, slots=True)
class Evictable:
    """What may be evicted of each workload now, by name; one that is missing may not be moved at all."""

    allowed: dict[str, int]

    def lets_go(self, node: Node) -> bool:
        """Whether the disruption budgets allow at least one pod of each workload on the node to be evicted."""
        return all(self.allowed.get(pod.workload, 0) >= 1 for pod in node.pods)


@dataclass
class ScaleDown:
    """Watches for nodes that are not needed, and says which go. It remembers since when each was not needed."""

    below_percent: float
    unneeded_seconds: float
    _unneeded_since: dict[str, float] = field(default_factory=dict)
    _last_added: float = -DELAY_AFTER_ADD_SECONDS

    def added(self, now: float) -> None:
        """Note that a node was added."""
        self._last_added = now

    def look(self, now: float, nodes: Sequence[Node], groups: Sequence[Group]) -> set[str]:
        """Note which nodes are not needed: little used, and with room for all their pods on the others.

        Each simulation builds on the ones before: what was moved in thought from one node takes the room of the next.
        """
        by_place = {(group.name, group.zone): group for group in groups}
        imagined = copied(nodes)
        left = {group: _size(nodes, group) - group.minimum for group in groups}
        unneeded = set()
        for node in sorted(nodes, key=lambda one: (len(one.pods), one.name)):
            group = by_place[node.group, node.zone]
            if utilisation(node, group) >= self.below_percent or left[group] < 1:
                continue
            others = copied([one for one in imagined if one.name != node.name])
            with_moved = next(one for one in imagined if one.name == node.name)
            if schedule(others, with_moved.pods):
                continue
            imagined = others
            left[group] -= 1
            unneeded.add(node.name)
        self._unneeded_since = {name: self._unneeded_since.get(name, now) for name in unneeded}
        return unneeded

    def going(self, now: float, nodes: Sequence[Node], evictable: Evictable) -> list[Node]:
        """Return the nodes that are taken away now: those empty together, else one whose pods may be evicted."""
        if now - self._last_added < DELAY_AFTER_ADD_SECONDS:
            return []
        ripe = [
            node
            for node in nodes
            if node.name in self._unneeded_since and now - self._unneeded_since[node.name] >= self.unneeded_seconds
        ]
        empty = [node for node in ripe if not node.pods][:MOST_EMPTY_AT_ONCE]
        if empty:
            return empty
        return next(([node] for node in ripe if evictable.lets_go(node)), [])
