"""Nodes: how many there are, what they promise, and what evicts pods from them."""

from collections.abc import Iterator

from bezant.topology.capacity.scenarios import STEADY
from bezant.topology.machines import node_machine
from bezant.topology.rules.rule import Deployment, Found, rule


@rule(
    "node-count-contradiction", "error", "Stated node counts agree with the node groups",
    reason="A bill for other machines than those drawn prices another deployment.",
    source="the architecture document: node groups in its diagram, 'Average 30 nodes' in its bill",
)  # fmt: skip
def node_count(deployment: Deployment) -> Iterator[Found]:
    """The sum of the groups against the figures in prose."""
    topology = deployment.topology
    zones = len(topology.primary.availability_zones)
    drawn = {group.name: group.nodes_per_zone * zones for group in topology.primary.cluster.node_groups}
    stated, by_group = topology.statements.average_nodes, topology.statements.nodes_by_group
    total = sum(drawn.values())
    terms = " + ".join(f"{count} {name}" for name, count in drawn.items())
    if stated is not None and stated != total:
        counted = " + ".join(f"{count} {name}" for name, count in by_group.items()) or "not broken down"
        yield Found(
            "statements.average_nodes", f"{total} nodes are drawn, {stated} are stated",
            (f"drawn {terms} = {total}", f"stated {counted} = {stated}"), "one number, from the node groups",
        )  # fmt: skip
    elif by_group and by_group != drawn:
        yield Found(
            "statements.nodes_by_group", "the stated nodes by group are not those of the groups",
            (f"drawn {drawn}", f"stated {by_group}"), "one number, from the node groups",
        )  # fmt: skip


@rule(
    "burstable-nodes", "warning", "Requests fit the sustained speed of burstable nodes",
    reason="A T3 vCPU runs at its baseline once credits are spent, or is charged for more; requests promise all of it.",
    source="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html",
    assumes=("pod_cpu_share_of_baseline_percent",),
)  # fmt: skip
def burstable(deployment: Deployment) -> Iterator[Found]:
    """What the scheduler puts on the group against its baseline."""
    region = deployment.topology.primary
    nodes = deployment.placements.outcome(STEADY).nodes
    for group in region.cluster.node_groups:
        machine = node_machine(group.instance_type)
        if machine.baseline_percent is None:
            continue
        members = [node for node in nodes if node.group == group.name]
        asked = sum(pod.request.cpu_millicores for node in members for pod in node.pods) / 1000
        share = deployment.assumptions.pod_cpu_share_of_baseline_percent / 100
        baseline = len(members) * machine.vcpus * machine.baseline_percent / 100
        if asked > baseline * share:
            yield Found(
                f"regions[{region.name}].cluster.node_groups[{group.name}]",
                f"{group.instance_type} sustains {baseline:.1f} vCPU where pods ask for {asked:.1f}",
                (
                    f"{len(members)} × {machine.vcpus} vCPU × {machine.baseline_percent:g} % = "
                    f"{baseline:.1f} vCPU sustained",
                ),
                "m6i machines, or T3 unlimited with its surcharge in the bill",
            )


@rule(
    "disruption-budget-missing", "error", "Every workload has a PodDisruptionBudget that leaves it working",
    reason="Without one, draining nodes (an upgrade, the autoscaler) may evict every pod of a service at once.",
    source="https://kubernetes.io/docs/tasks/run-application/configure-pdb/",
)  # fmt: skip
def disruption_budget(deployment: Deployment) -> Iterator[Found]:
    """One finding for all that have none; one for each that allows too much or nothing."""
    topology = deployment.topology
    workloads = [("services", workload) for workload in topology.services]
    workloads += [("platform", workload) for workload in topology.platform]  # type: ignore[misc]
    bare = [workload.name for _, workload in workloads if workload.disruption_budget is None]
    if bare:
        yield Found(
            "services[*].disruption_budget", f"{len(bare)} of {len(workloads)} workloads have none: {', '.join(bare)}",
            (f"a drain may evict all pods of {bare[0]} at once",), "maxUnavailable 1 for each",
        )  # fmt: skip
    for kind, workload in workloads:
        budget = workload.disruption_budget
        if budget is None:
            continue
        if budget.max_unavailable == 0 or budget.max_unavailable >= workload.replicas:
            effect = "no node can be drained" if budget.max_unavailable == 0 else "all pods may go at once"
            yield Found(
                f"{kind}[{workload.name}].disruption_budget", effect,
                (f"maxUnavailable {budget.max_unavailable} of {workload.replicas} replicas",), "maxUnavailable 1",
            )  # fmt: skip


@rule(
    "single-replica", "error", "Every workload has at least two replicas",
    reason="One replica is an outage at each update of its node.",
    source="https://docs.aws.amazon.com/eks/latest/best-practices/application.html",
)  # fmt: skip
def single_replica(deployment: Deployment) -> Iterator[Found]:
    """Replicas of services must reach every zone; of platform workloads, two nodes."""
    topology = deployment.topology
    zones = len(topology.primary.availability_zones)
    for service in topology.services:
        scaling = service.autoscaling
        if scaling is not None and scaling.min_replicas < zones:
            yield Found(
                f"services[{service.name}].autoscaling.min_replicas",
                f"the autoscaler may leave {scaling.min_replicas} replicas for {zones} zones",
                (f"{scaling.min_replicas} < {zones}",), f"at least {zones}",
            )  # fmt: skip
        if service.replicas < zones:
            yield Found(
                f"services[{service.name}].replicas", f"{service.replicas} replicas do not reach {zones} zones",
                (f"{service.replicas} < {zones}",), f"at least {zones} replicas",
            )  # fmt: skip
    for workload in topology.platform:
        if workload.replicas < 2:
            yield Found(
                f"platform[{workload.name}].replicas", "one replica is an outage whenever its node goes",
                (f"{workload.replicas} < 2",), "at least 2 replicas",
            )  # fmt: skip


@rule(
    "version-unstated", "warning", "Every service pins its version",
    reason="What is not pinned is whatever was pushed last, and cannot be rolled back to.",
    source="https://kubernetes.io/docs/concepts/containers/images/#image-names",
)  # fmt: skip
def version(deployment: Deployment) -> Iterator[Found]:
    """Services without a version."""
    bare = [service.name for service in deployment.topology.services if service.version is None]
    if bare:
        yield Found(
            "services[*].version", f"no version is stated for {', '.join(bare)}",
            (f"{len(bare)} of {len(deployment.topology.services)} services",), "an image tag for each service",
        )  # fmt: skip


@rule(
    "unreachable-node-tolerated-long", "warning", "Pods of a dead zone are replaced within two minutes",
    reason="Pods stay bound to an unreachable node for 300 s by default; until then their replacements do not start.",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions",
)  # fmt: skip
def unreachable(deployment: Deployment) -> Iterator[Found]:
    """The toleration against two minutes."""
    for region in deployment.topology.regions:
        seconds = region.cluster.unreachable_toleration_seconds
        if seconds > 120:
            yield Found(
                f"regions[{region.name}].cluster.unreachable_toleration_seconds",
                f"for {seconds:g} s a lost zone's pods are not replaced", (f"{seconds:g} s > 120 s",),
                "tolerationSeconds 30 for node.kubernetes.io/unreachable and not-ready",
            )  # fmt: skip


@rule(
    "spread-missing", "error", "Pods of a service are kept spread over the zones",
    reason="Without a required spread all pods may stand in one zone; counted together with old pods, or with the pods "
    "that a dead zone had, it blocks updates and replacements.",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/",
)  # fmt: skip
def spread(deployment: Deployment) -> Iterator[Found]:
    """A required spread by zone with maxSkew 1, per template, honouring taints; or required anti-affinity by zone."""
    for service in deployment.topology.services:
        apart = service.placement.anti_affinity
        if apart is not None and apart.required and apart.domain == "zone":
            continue  # spread enough; what else is wrong with it has a rule of its own
        by_zone = [one for one in service.placement.spread if one.domain == "zone" and one.required]
        if not by_zone:
            lines = ["no required spread by zone"]
        else:
            one = by_zone[0]
            lines = [f"maxSkew {one.max_skew}: one zone may hold {one.max_skew} more than another"] * (one.max_skew > 1)
            lines += ["old and new pods are counted together (no matchLabelKeys)"] * (not one.per_template)
            lines += ["a dead zone still counts (nodeTaintsPolicy Ignore)"] * (not one.honors_taints)
        if lines:
            yield Found(
                f"services[{service.name}].placement.spread", "pods may not stay spread over the zones", tuple(lines),
                "maxSkew 1 by zone, DoNotSchedule, matchLabelKeys [pod-template-hash], nodeTaintsPolicy Honor",
            )  # fmt: skip


@rule(
    "node-flapping", "warning", "Nodes are not removed faster than new ones come",
    reason="A node removed sooner than its successor starts, or while it is well used, is asked for again at once.",
    source="https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md",
)  # fmt: skip
def node_flapping(deployment: Deployment) -> Iterator[Found]:
    """The idle time against the time to provision; the threshold against a well used node."""
    scaler = deployment.topology.node_autoscaler
    if scaler.scale_down_after_minutes <= scaler.provision_minutes.high:
        yield Found(
            "node_autoscaler.scale_down_after_minutes", "a node goes sooner than its successor could come",
            (f"{scaler.scale_down_after_minutes:g} min <= {scaler.provision_minutes.high:g} min",), "10 minutes",
        )  # fmt: skip
    if scaler.scale_down_below_utilisation > 65:
        yield Found(
            "node_autoscaler.scale_down_below_utilisation", "well used nodes are drained",
            (f"{scaler.scale_down_below_utilisation:g} % > 65 %",), "50 %",
        )  # fmt: skip
