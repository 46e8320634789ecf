"""The deployment as tables."""

from typing import Any

from rich.table import Table

from bezant.cli.session import facts, rows
from bezant.topology.assumptions import Assumptions
from bezant.topology.capacity.nodes import free_node
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

_NOT_STATED = "not stated"


def tables(topology: Topology) -> list[Table]:
    """Return every table of the deployment."""
    return [
        _summary(topology),
        *(table for region in topology.regions for table in _region(region)),
        _services(topology),
        _delivery(topology),
        *([_platform(topology)] if topology.platform else []),
        _recovery(topology),
    ]


def _or_unstated(value: Any) -> str:
    return _NOT_STATED if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _summary(topology: Topology) -> Table:
    pools = topology.pools
    cap = f", at most {pools.process_connection_cap} a process" if pools.process_connection_cap else ""
    payments = topology.usage.payments_per_month
    return facts(
        f"{topology.name}: {topology.description}",
        {
            "tenants": topology.tenants,
            "payments a month": _NOT_STATED if payments is None else f"{payments:,}",
            "connection pools": f"{pools.min_connections} to {pools.max_connections} a tenant and process{cap}",
            "secrets": f"{topology.secrets.store}, {topology.secrets.layout.replace('_', ' ')}",
            "topics": ", ".join(topic.name for topic in topology.topics),
            "backups": f"every {topology.backups.automated_every_hours:g} h, kept "
            f"{topology.backups.automated_retention_days} days"
            + (", to any second" if topology.backups.point_in_time_recovery else ""),
        },
    )


def _region(region: Region) -> list[Table]:
    title = f"{region.name} ({region.role}), VPC {region.network.vpc_name} {region.network.cidr or 'without a network'}"
    by_zone = []
    for zone in region.availability_zones:
        subnets = {subnet.tier: subnet.cidr for subnet in region.network.subnets if subnet.zone == zone}
        balancers = ", ".join(one.name for one in region.load_balancers if zone in one.zones)
        writers = ", ".join(
            f"{tier.tier} {tier.writers_by_zone[zone]}"
            for tier in region.aurora
            if tier.writers_by_zone.get(zone) and not tier.alternative
        )
        nat = "yes" if zone in region.network.nat_gateway_zones else "no"
        by_zone.append([
            zone, subnets.get("public"), subnets.get("nodes"), subnets.get("isolated"), balancers, nat, writers,
        ])  # fmt: skip
    zones = rows(title, ["zone", "public", "nodes", "isolated", "load balancer", "NAT", "Aurora writers"], by_zone)
    machines = []
    for group in region.cluster.node_groups:
        most = _or_unstated(group.max_nodes_per_zone)
        free = free_node(region, group, Assumptions())
        machines.append([
            group.name, group.instance_type, f"{group.nodes_per_zone} to {most}", group.capacity.replace("_", "-"),
            f"{free.cpu_millicores / 1000:g} vCPU, {free.memory_mebibytes} MiB",
        ])  # fmt: skip
    stores = [
        [f"Aurora {tier.tier}" + (" (drawn again)" if tier.alternative else ""),
         f"{tier.clusters} × (1 + {tier.readers_per_cluster}) {tier.instance_class}",
         f"{tier.tenants_per_cluster} tenants each"]
        for tier in region.aurora
    ]  # fmt: skip
    if region.valkey is not None:
        shards = len(region.valkey.shards)
        stores.append(
            [
                region.valkey.engine.capitalize(),
                f"{shards} shards, {region.valkey.nodes} nodes",
                region.valkey.node_type,
            ]
        )
    if region.kafka is not None:
        kafka = region.kafka
        stores.append(["Kafka", f"{kafka.brokers} × {kafka.instance_type}",
                       f"{kafka.replication_factor} replicas, {kafka.min_in_sync_replicas} in sync"])  # fmt: skip
    found = [zones]
    if machines:
        found.append(
            rows(
                f"{region.name}: node groups, nodes a zone",
                ["group", "machine", "nodes", "bought", "free for pods"],
                machines,
            )
        )
    if stores:
        found.append(rows(f"{region.name}: stores", ["store", "size", "detail"], stores))
    return found


def _services(topology: Topology) -> Table:
    lines = []
    for service in topology.services:
        place = service.placement
        how = "only" if place.required else "preferred"
        apart = (
            [f"apart by {place.anti_affinity.domain}" + (" (required)" if place.anti_affinity.required else "")]
            if (place.anti_affinity)
            else []
        )
        spread = [f"spread by {rule.domain} ±{rule.max_skew}" for rule in place.spread]
        lines.append([
            service.name, service.version or _NOT_STATED, service.replicas, _or_unstated(service.standby_replicas),
            f"{service.cpu_millicores}m", f"{service.memory_mebibytes}Mi",
            f"{place.node_group} ({how})" if place.node_group else "any", ", ".join((*apart, *spread)),
            ", ".join(service.calls),
        ])  # fmt: skip
    columns = ["service", "version", "pods", "standby", "CPU", "memory", "node group", "placement", "calls"]
    return rows("Services", columns, lines)


def _delivery(topology: Topology) -> Table:
    lines = []
    for service in topology.services:
        scaling, canary = service.autoscaling, service.canary
        scaled = ""
        if scaling is not None:
            scaled = f"{scaling.min_replicas} to {scaling.max_replicas} at {_or_unstated(scaling.cpu_target)} % CPU"
        steps = ""
        if canary is not None:
            steps = ", ".join(f"{step.weight:g} % ({step.pods}) {step.hold_minutes:g} min" for step in canary.steps)
        budget = service.disruption_budget
        lines.append([
            service.name, f"+{service.rollout.max_surge} -{service.rollout.max_unavailable}",
            "none" if budget is None else f"-{budget.max_unavailable}",
            f"{service.termination_grace_seconds:g} s, pause {_or_unstated(service.pre_stop_seconds)}", scaled, steps,
        ])  # fmt: skip
    columns = ["service", "update", "disruption", "grace", "autoscaling", "canary: weight (pods) hold"]
    return rows("Rollout and scaling", columns, lines)


def _platform(topology: Topology) -> Table:
    lines = [
        [
            one.name,
            one.replicas,
            _or_unstated(one.standby_replicas),
            f"{one.cpu_millicores}m",
            f"{one.memory_mebibytes}Mi",
        ]
        for one in topology.platform
    ]
    return rows("Platform workloads", ["workload", "pods", "standby", "CPU", "memory"], lines)


def _recovery(topology: Topology) -> Table:
    recovery = topology.recovery
    stores = ", ".join(
        f"{store.store}: {store.method.replace('_', ' ')}"
        + ("" if store.loss_seconds is None else f" ({store.loss_seconds:g} s)")
        for store in recovery.stores
    )
    steps = ", ".join(f"{step.name.replace('_', ' ')} {_or_unstated(step.minutes)}" for step in recovery.steps)
    drill = "never" if recovery.drill_every_days is None else f"every {recovery.drill_every_days} days"
    return facts(
        "Recovery",
        {
            "targets": f"RTO {recovery.rto_minutes} min, RPO {recovery.rpo_minutes:g} min",
            "steps, minutes": steps,
            "stores": stores,
            "DNS": recovery.dns_switch.replace("_", " "),
            "drills": drill,
        },
    )
