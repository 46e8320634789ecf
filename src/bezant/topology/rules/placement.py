"""Does every pod find a node? The scheduler's model answers, not a sum."""

from collections.abc import Iterator

from bezant.topology.capacity.nodes import allocatable, daemonset_request
from bezant.topology.capacity.pods import pods_of
from bezant.topology.capacity.scenarios import (
    AUTOSCALED,
    STEADY,
    UPDATE,
    Outcome,
    Placements,
    canary_of,
    standby_pods,
    sum_of,
)
from bezant.topology.capacity.scheduler import schedule
from bezant.topology.machines import node_machine
from bezant.topology.rules.rule import Deployment, Found, rule

_NODE_ASSUMPTIONS = (
    "kernel_memory_percent", "kubelet_base_memory_mebibytes", "kubelet_memory_per_pod_mebibytes",
    "eviction_memory_mebibytes", "daemonset_cpu_millicores", "daemonset_memory_mebibytes",
    "sidecar_cpu_millicores", "sidecar_memory_mebibytes",
)  # fmt: skip
_SCHEDULING = "https://kubernetes.io/docs/concepts/scheduling-eviction/"
_MORE_NODES = "more or larger nodes per zone, or smaller requests"


def _supply(deployment: Deployment) -> tuple[str, ...]:
    """Return how the nodes' offer comes about."""
    topology, assumed = deployment.topology, deployment.assumptions
    region = topology.primary
    zones = len(region.availability_zones)
    parts, total, count = [], 0.0, 0
    for group in region.cluster.node_groups:
        nodes = group.nodes_per_zone * zones
        each = allocatable(node_machine(group.instance_type), assumed).cpu_millicores / 1000
        parts.append(f"{nodes} {group.instance_type} × {each:g}")
        total, count = total + nodes * each, count + nodes
    taken = daemonset_request(region, assumed).cpu_millicores / 1000
    free = total - count * taken
    sidecars = sum(workload.replicas for workload in topology.services if workload.sidecar)
    services = sum_of(topology, topology.services, assumed).cpu_millicores / 1000
    own = sum(workload.replicas * workload.cpu_millicores for workload in topology.services) / 1000
    return (
        f"allocatable {' + '.join(parts)} = {total:.1f} vCPU; "
        f"less {taken:g} of daemonsets on {count} nodes = {free:.1f}",
        f"one of {zones} zones lost leaves {free * (zones - 1) / zones:.1f}; services ask for {own:g} and "
        f"{sidecars} sidecars for {services - own:.1f}: {services:.1f} vCPU",
    )


def _worst(outcomes: list[Outcome]) -> list[Outcome]:
    failing = [outcome for outcome in outcomes if outcome.pending]
    return sorted(failing, key=lambda outcome: -len(outcome.pending))[:1]


def _found(deployment: Deployment, outcomes: list[Outcome], correction: str) -> Iterator[Found]:
    for outcome in _worst(outcomes):
        where = f", {outcome.lost_zone} lost" if outcome.lost_zone else ", every zone up"
        yield Found(
            f"regions[{deployment.topology.primary.name}].cluster.node_groups",
            f"{len(outcome.pending)} of {outcome.pods} pods find no node: {outcome.load}{where}",
            (*_supply(deployment), *(each.sentence() for each in outcomes if each.pending)),
            correction,
        )


@rule(
    "placement-usual-day", "error", "Every pod finds a node on a usual day",
    reason="A pod that stays pending serves nobody.",
    source=_SCHEDULING, assumes=_NODE_ASSUMPTIONS,
)  # fmt: skip
def usual_day(deployment: Deployment) -> Iterator[Found]:
    """The load of every day on the nodes that are always there."""
    yield from _found(deployment, [deployment.placements.outcome(STEADY)], _MORE_NODES)


@rule(
    "placement-zone-loss", "error", "Every pod finds a node when a zone is lost",
    reason="Three zones promise to survive the loss of one. New nodes come minutes later, if the others have any.",
    source="https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/availability-zones.html",
    assumes=_NODE_ASSUMPTIONS,
)  # fmt: skip
def zone_loss(deployment: Deployment) -> Iterator[Found]:
    """The load of every day on the nodes of the zones that are left, without waiting for new ones."""
    outcomes = deployment.placements.with_each_zone_lost(STEADY)
    yield from _found(deployment, outcomes, f"{_MORE_NODES}, until two zones hold everything")


@rule(
    "placement-update", "error", "Every pod finds a node while services are updated",
    reason="A new version's pods stand beside the old ones; one zone may be lost meanwhile.",
    source="https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-surge",
    assumes=_NODE_ASSUMPTIONS,
)  # fmt: skip
def update(deployment: Deployment) -> Iterator[Found]:
    """Every service at its surge at once."""
    outcomes = [deployment.placements.outcome(UPDATE), *deployment.placements.with_each_zone_lost(UPDATE)]
    yield from _found(deployment, outcomes, _MORE_NODES)


@rule(
    "placement-canary", "error", "Every pod finds a node at the last step of a canary",
    reason="Until the end the stable version stands whole beside the canary; one zone may be lost meanwhile.",
    source="https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/",
    assumes=_NODE_ASSUMPTIONS,
)  # fmt: skip
def canary(deployment: Deployment) -> Iterator[Found]:
    """Each service's canary at its last step, one service at a time."""
    placements = deployment.placements
    for service in deployment.topology.services:
        if service.canary is None:
            continue
        load = canary_of(service.name)
        outcomes = [placements.outcome(load), *placements.with_each_zone_lost(load)]
        for found in _found(deployment, outcomes, f"{_MORE_NODES}, or a stable version that shrinks as weight moves"):
            pinned = _pinned(deployment, service.name)
            yield Found(found.place, found.summary, (*found.arithmetic, *pinned), found.correction)


def _pinned(deployment: Deployment, name: str) -> tuple[str, ...]:
    """Return the arithmetic of a service that may only run on one node group."""
    service = deployment.topology.service(name)
    if not service.placement.required or service.placement.node_group is None or service.canary is None:
        return ()
    region = deployment.topology.primary
    group = region.node_group(service.placement.node_group)
    nodes = group.nodes_per_zone * len(region.availability_zones)
    machine = allocatable(node_machine(group.instance_type), deployment.assumptions)
    free = machine.plus(daemonset_request(region, deployment.assumptions), -1)
    pod = pods_of(deployment.topology, service, "stable", 1, deployment.assumptions)[0].request
    count = service.replicas + service.canary.steps[-1].pods
    memory_fit = free.memory_mebibytes // pod.memory_mebibytes
    return (
        f"{name} may only run on {group.name}: {count} pods × {pod.cpu_millicores / 1000:g} = "
        f"{count * pod.cpu_millicores / 1000:.1f} vCPU of {nodes} × {free.cpu_millicores / 1000:g} = "
        f"{nodes * free.cpu_millicores / 1000:.1f}",
        f"and by memory a node holds {free.memory_mebibytes} / {pod.memory_mebibytes} MiB = {memory_fit} of its pods",
    )


@rule(
    "placement-autoscaled", "error", "Every pod finds a node at the autoscaler's maximum",
    reason="A maximum that the nodes cannot hold is no maximum: the surplus stays pending under the highest load.",
    source="https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/",
    assumes=_NODE_ASSUMPTIONS,
)  # fmt: skip
def autoscaled(deployment: Deployment) -> Iterator[Found]:
    """Every service at its maximum, on as many nodes as the groups may grow to (those drawn, if no bound is stated)."""
    placements = deployment.placements
    outcomes = [placements.outcome(AUTOSCALED), *placements.with_each_zone_lost(AUTOSCALED)]
    yield from _found(deployment, outcomes, "state max_nodes_per_zone of each group, high enough for two zones")


@rule(
    "zone-anti-affinity", "error", "No required anti-affinity allows fewer pods than there are",
    reason="Required anti-affinity by zone admits one pod a zone, so the fourth replica never runs.",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity",
)  # fmt: skip
def anti_affinity(deployment: Deployment) -> Iterator[Found]:
    """Replicas against the number of domains."""
    region = deployment.topology.primary
    zones = len(region.availability_zones)
    nodes = sum(group.nodes_per_zone for group in region.cluster.node_groups) * zones
    for service in deployment.topology.services:
        apart = service.placement.anti_affinity
        if apart is None or not apart.required:
            continue
        domains = zones if apart.domain == "zone" else nodes
        if service.replicas > domains:
            yield Found(
                f"services[{service.name}].placement.anti_affinity",
                f"{service.replicas - domains} of {service.replicas} pods stay pending for ever",
                (
                    f"required, by {apart.domain}: one pod each, {service.replicas} replicas - "
                    f"{domains} {apart.domain}s = {service.replicas - domains} pending",
                ),
                "topologySpreadConstraints by zone, maxSkew 1, matchLabelKeys [pod-template-hash]",
            )


@rule(
    "update-deadlock",
    "error",
    "A rolling update can begin",
    reason="With maxUnavailable 0 no old pod goes before a new one is ready; if that finds no place, neither moves.",
    source="https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment",
    assumes=_NODE_ASSUMPTIONS,
)
def update_deadlock(deployment: Deployment) -> Iterator[Found]:
    """The first new pod beside the old ones, anti-affinity as it is written."""
    for workload in deployment.topology.platform:
        if workload.rollout.max_surge == 0 and workload.rollout.max_unavailable == 0:
            place = f"platform[{workload.name}].rollout"
            yield Found(
                place, "the update can neither add a pod nor remove one", ("maxSurge 0 and maxUnavailable 0",), "1"
            )
    for service in deployment.topology.services:
        rollout = service.rollout
        place = f"services[{service.name}].rollout"
        if rollout.max_surge == 0 and rollout.max_unavailable == 0:
            yield Found(
                place, "the update can neither add a pod nor remove one",
                ("maxSurge 0 and maxUnavailable 0",), "maxSurge 1",
            )  # fmt: skip
            continue
        if rollout.max_unavailable > 0:
            continue
        nodes = list(deployment.placements.outcome(STEADY, keep_apart=True).nodes)
        copies = [
            type(node)(node.name, node.group, node.zone, node.free, node.pods_left, node.lost, list(node.pods))
            for node in nodes
        ]
        first = pods_of(deployment.topology, service, "next", 1, deployment.assumptions)
        for pending in schedule(copies, first):
            yield Found(
                place, "the first new pod stays pending, so the update never begins",
                (f"maxSurge {rollout.max_surge}, maxUnavailable 0; {pending}",),
                "topologySpreadConstraints with matchLabelKeys [pod-template-hash] in place of required anti-affinity",
            )  # fmt: skip


@rule(
    "placement-secondary",
    "error",
    "The other region holds the standby, and the whole after a fail-over",
    reason="A region to fail over to must have machines, and room to grow to the load that it takes over.",
    source="https://docs.aws.amazon.com/whitepapers/latest/disaster-recovery-workloads-on-aws/",
    assumes=_NODE_ASSUMPTIONS,
)
def secondary(deployment: Deployment) -> Iterator[Found]:
    """Standby pods on the standing nodes; the autoscaler's maximum on the grown ones, also with a zone lost."""
    topology, region = deployment.topology, deployment.topology.secondary
    if region is None:
        return
    place = f"regions[{region.name}].cluster.node_groups"
    unstated = [service.name for service in topology.services if service.standby_replicas is None]
    if not region.cluster.node_groups or unstated:
        yield Found(
            place,
            "the standby has no size: neither machines nor pods are stated",
            (
                f"{len(region.cluster.node_groups)} node groups; "
                f"standby replicas not stated for {len(unstated)} services",
            ),
            "state node groups and standby_replicas",
        )
        return
    placements = Placements(topology, region, deployment.assumptions)
    pods = standby_pods(topology, deployment.assumptions)
    pending = schedule(placements.nodes(grown=False), pods)
    if pending:
        yield Found(
            place,
            f"{len(pending)} of {len(pods)} pods find no node standing by",
            tuple(str(one) for one in pending[:3]),
            _MORE_NODES,
        )
    for outcome in _worst([placements.outcome(AUTOSCALED), *placements.with_each_zone_lost(AUTOSCALED)]):
        yield Found(
            place,
            f"{len(outcome.pending)} of {outcome.pods} pods find no node after a fail-over, on the grown node groups",
            (outcome.sentence(),),
            "as many max_nodes_per_zone as in the primary region",
        )
    idle = [service.name for service in topology.services if service.standby_replicas == 0]
    if idle:
        yield Found(
            place, f"nothing stands by of {', '.join(idle)}: a first start in a disaster is a first test",
            ("0 standby replicas",), "at least one standby replica of each service",
        )  # fmt: skip
