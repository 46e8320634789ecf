"""A model of the Kubernetes scheduler: filters, then scores, one pod after another, never moving a placed pod.

Filters: resources (requests against allocatable), pods per node, required node affinity, required anti-affinity (also
of the pods already there: it is symmetric), and required topology spread. Scores: preferred node group, preferred
anti-affinity and spread, then the fuller node that still fits, or the emptier one.

Simplified against the real one: image locality, taints other than a dead zone's, priorities and preemption are left
out. Nothing is found by search: if the greedy order leaves a pod pending, a cluster would too.
Source: https://kubernetes.io/docs/concepts/scheduling-eviction/
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bezant.topology.capacity.pods import Pod
from bezant.topology.capacity.resources import Resources
from bezant.topology.model.workloads import AntiAffinity, TopologySpread


@dataclass
class Node:
    """A node with what is free on it. A lost node takes no pod, yet may still count as a domain."""

    name: str
    group: str
    zone: str
    free: Resources
    pods_left: int
    lost: bool = False
    pods: list[Pod] = field(default_factory=list)

    def domain(self, kind: str) -> str:
        """Return the name of the node's domain of that kind."""
        return self.zone if kind == "zone" else self.name


@dataclass(frozen=True)
class Pending:
    """A pod without a node, and how many nodes each filter removed."""

    pod: Pod
    reasons: dict[str, int]

    def __str__(self) -> str:
        removed = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
        return f"{self.pod.name} ({removed or 'no nodes'})"


def schedule(nodes: list[Node], pods: Iterable[Pod]) -> list[Pending]:
    """Place each pod on a node, in order; return those that stay pending."""
    pending: list[Pending] = []
    failed: Pod | None = None
    for pod in pods:
        if failed is not None and (failed.workload, failed.template) == (pod.workload, pod.template):
            # nothing was placed since its twin found no node
            pending.append(Pending(pod, pending[-1].reasons))
            continue
        chosen, reasons = _choose(nodes, pod)
        failed = pod if chosen is None else None
        if chosen is None:
            pending.append(Pending(pod, dict(reasons)))
        else:
            place(chosen, pod)
    return pending


def why_not(nodes: list[Node], node: Node, pod: Pod) -> str | None:
    """Return the first filter that keeps the pod from that node among these nodes, or None when it may run there."""
    return _why_not(nodes, node, pod, [(rule, _spread_counts(nodes, pod, rule)) for rule in pod.placement.spread])


def place(node: Node, pod: Pod) -> None:
    """Bind the pod to the node."""
    node.free = node.free.plus(pod.request, -1)
    node.pods_left -= 1
    node.pods.append(pod)


def _choose(nodes: list[Node], pod: Pod) -> tuple[Node | None, Counter[str]]:
    reasons: Counter[str] = Counter()
    candidates = []
    spread_counts = [(rule, _spread_counts(nodes, pod, rule)) for rule in pod.placement.spread]
    for node in nodes:
        reason = _why_not(nodes, node, pod, spread_counts)
        if reason is None:
            candidates.append(node)
        else:
            reasons[reason] += 1
    if not candidates:
        return None, reasons
    return max(candidates, key=lambda node: _score(nodes, node, pod, spread_counts)), reasons


def _why_not(  # noqa: PLR0911 - one filter after another, as in the scheduler
    nodes: list[Node], node: Node, pod: Pod, spread_counts: list[tuple[TopologySpread, Counter[str]]]
) -> str | None:
    """Return the first filter that removes the node, or None."""
    if node.lost:
        return "in the lost zone"
    placement = pod.placement
    if placement.required and placement.node_group is not None and node.group != placement.node_group:
        return "of another node group"
    if node.pods_left < 1:
        return "full of pods"
    if pod.request.cpu_millicores > node.free.cpu_millicores:
        return "short of CPU"
    if pod.request.memory_mebibytes > node.free.memory_mebibytes:
        return "short of memory"
    apart = placement.anti_affinity
    if apart is not None and apart.required and _peers(nodes, node, pod, apart) > 0:
        return f"in a {apart.domain} that has one (required anti-affinity)"
    for rule, counts in spread_counts:
        if rule.required and counts[node.domain(rule.domain)] + 1 - min(counts.values()) > rule.max_skew:
            return f"in a {rule.domain} that would exceed maxSkew {rule.max_skew}"
    return None


def _peers(nodes: list[Node], node: Node, pod: Pod, apart: AntiAffinity) -> int:
    domain = node.domain(apart.domain)
    return sum(
        other.workload == pod.workload
        for neighbour in nodes
        if neighbour.domain(apart.domain) == domain
        for other in neighbour.pods
    )


def _spread_counts(nodes: list[Node], pod: Pod, rule: TopologySpread) -> Counter[str]:
    """Return matching pods by domain. A domain is one that has an eligible node; a lost one counts unless taints are
    honoured (nodeTaintsPolicy), and a node of another required group never does (nodeAffinityPolicy: Honor)."""
    counts: Counter[str] = Counter()
    for node in nodes:
        if node.lost and rule.honors_taints:
            continue
        if pod.placement.required and pod.placement.node_group not in (None, node.group):
            continue
        counts[node.domain(rule.domain)] += sum(
            other.workload == pod.workload and (not rule.per_template or other.template == pod.template)
            for other in node.pods
        )
    return counts


def _score(
    nodes: list[Node], node: Node, pod: Pod, spread_counts: list[tuple[TopologySpread, Counter[str]]]
) -> tuple[float, ...]:
    """Return what is compared: the zones' balance, the preferred group, the nodes' balance, the emptier node."""
    preferred = pod.placement.node_group
    by_zone = -sum(counts[node.zone] for rule, counts in spread_counts if rule.domain == "zone")
    by_node = -sum(counts[node.name] for rule, counts in spread_counts if rule.domain == "node")
    apart = pod.placement.anti_affinity
    together = -_peers(nodes, node, pod, apart) if apart is not None else 0
    in_group = 0 if preferred is None else int(node.group == preferred)
    free = node.free
    return (float(by_zone + together), float(in_group), float(by_node), float(free.cpu_millicores),
            float(free.memory_mebibytes))  # fmt: skip
