"""Connections to the databases: idle, busy, and to the control database."""

from collections.abc import Iterator

from bezant.topology.capacity.residency import Residency
from bezant.topology.machines import database_machine
from bezant.topology.model.data_stores import AuroraTier
from bezant.topology.model.workloads import Service
from bezant.topology.rules.rule import Deployment, Found, rule

_AURORA = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.Managing.html"
_ASSUMES = ("bytes_per_connection", "max_connections_bound", "connections_reserved_percent")


def connection_limit(deployment: Deployment, tier: AuroraTier) -> int:
    """Return max_connections of an instance: memory / 9531392, at most 5,000."""
    assumed = deployment.assumptions
    memory = database_machine(tier.instance_class).memory_gibibytes * 2**30
    return min(memory // assumed.bytes_per_connection, assumed.max_connections_bound)


def usable_connections(deployment: Deployment, tier: AuroraTier) -> int:
    """Return what is left after the reserve."""
    reserve = deployment.assumptions.connections_reserved_percent / 100
    return int(connection_limit(deployment, tier) * (1 - reserve))


def _processes(services: tuple[Service, ...], *, scaled_out: bool) -> int:
    """Return the processes of services, each at its maximum and updating if scaled out."""
    return sum(
        (service.autoscaling.max_replicas if service.autoscaling else service.replicas) + service.rollout.max_surge
        if scaled_out
        else service.replicas
        for service in services
    )


def _tenant_services(deployment: Deployment) -> tuple[Service, ...]:
    return tuple(service for service in deployment.topology.services if service.tenant_databases)


def _limit_sentence(deployment: Deployment, tier: AuroraTier) -> str:
    memory = database_machine(tier.instance_class).memory_gibibytes
    assumed = deployment.assumptions
    return (
        f"{tier.instance_class} allows {memory} GiB / {assumed.bytes_per_connection} = "
        f"{connection_limit(deployment, tier):,} (never above {assumed.max_connections_bound:,}), "
        f"{usable_connections(deployment, tier):,} after a reserve of {assumed.connections_reserved_percent:g} %"
    )


@rule(
    "connections-idle", "error", "Idle pools fit the database",
    reason="Every process keeps the pool's minimum open for every tenant of a cluster, used or not.",
    source=_AURORA, assumes=_ASSUMES,
)  # fmt: skip
def idle(deployment: Deployment) -> Iterator[Found]:
    """Processes x minimum x tenants of a cluster, on a usual day and scaled out."""
    pools, services = deployment.topology.pools, _tenant_services(deployment)
    for tier in deployment.topology.primary.aurora:
        usable = usable_connections(deployment, tier)
        lines, worst = [], 0
        for scaled_out in (False, True):
            processes = _processes(services, scaled_out=scaled_out)
            count = processes * pools.min_connections * tier.tenants_per_cluster
            state = "at the autoscaler's maximum and updating" if scaled_out else "on a usual day"
            lines.append(
                f"{processes} processes × {pools.min_connections} × {tier.tenants_per_cluster} tenants = "
                f"{count:,} {state}"
            )
            worst = max(worst, count)
        if worst > usable:
            yield Found(
                f"regions[{deployment.topology.primary.name}].aurora[{tier.tier}]",
                f"up to {worst:,} idle connections to one cluster that has room for {usable:,}",
                (*lines, _limit_sentence(deployment, tier)),
                "fewer tenants a cluster, pools that shrink to 0 when idle, or a larger class",
            )


@rule(
    "connections-busy", "error", "Pools of busy tenants fit the database",
    reason="A busy tenant fills its pool in every process at once, beside the idle minimum of the others.",
    source=_AURORA, assumes=(*_ASSUMES, "hot_tenants_per_cluster"),
)  # fmt: skip
def busy(deployment: Deployment) -> Iterator[Found]:
    """Processes x (hot tenants x maximum + the rest x minimum), bounded by the cap of a process."""
    pools = deployment.topology.pools
    processes = _processes(_tenant_services(deployment), scaled_out=True)
    for tier in deployment.topology.primary.aurora:
        if tier.alternative:
            continue  # its idle connections are judged; the tenants' load goes to the other drawing
        hot = min(deployment.assumptions.hot_tenants_per_cluster, tier.tenants_per_cluster)
        rest = tier.tenants_per_cluster - hot
        each = hot * pools.max_connections + rest * pools.min_connections
        bounded = each if pools.process_connection_cap is None else min(each, pools.process_connection_cap)
        count, usable = processes * bounded, usable_connections(deployment, tier)
        if count > usable:
            yield Found(
                f"regions[{deployment.topology.primary.name}].aurora[{tier.tier}]",
                f"{count:,} connections when {hot} tenant is busy, room for {usable:,}",
                (
                    f"{processes} processes × ({hot} × {pools.max_connections} + {rest} × {pools.min_connections}) = "
                    f"{count:,}",
                    _limit_sentence(deployment, tier),
                ),
                "fewer tenants a cluster, a smaller maximum, or a larger class",
            )


@rule(
    "connections-control", "error", "The control database has room for every process",
    reason="Leases, hints and keys are read by every process of every service.",
    source=_AURORA, assumes=_ASSUMES,
)  # fmt: skip
def control(deployment: Deployment) -> Iterator[Found]:
    """All processes x their control connections."""
    per_process = deployment.topology.pools.control_connections_per_process
    processes = _processes(deployment.topology.services, scaled_out=True)
    for tier in deployment.topology.primary.aurora:
        if tier.tier == "control" and processes * per_process > usable_connections(deployment, tier):
            yield Found(
                f"regions[{deployment.topology.primary.name}].aurora[control]",
                f"{processes * per_process:,} connections, room for {usable_connections(deployment, tier):,}",
                (f"{processes} processes × {per_process}", _limit_sentence(deployment, tier)), "a larger class",
            )  # fmt: skip


@rule(
    "pool-residency", "error", "A process can keep every tenant's pool open",
    reason="Below minimum x tenants the pools evict each other, and requests wait for a connection to be opened.",
    source="docs/topology.md, Connections",
)  # fmt: skip
def residency(deployment: Deployment) -> Iterator[Found]:
    """The cap of a process against the minimum of all tenants."""
    pools, tenants = deployment.topology.pools, deployment.topology.tenants
    cap = pools.process_connection_cap
    if cap is not None and not (found := Residency(cap, pools.min_connections, tenants)).is_kept:
        yield Found(
            "pools.process_connection_cap",
            f"{found.fitting} of {tenants} tenants fit a process",
            (found.arithmetic,),
            "a cap of at least the minimum of all tenants",
        )
    if pools.max_connections < pools.min_connections:
        yield Found(
            "pools", "the maximum is below the minimum", (f"{pools.max_connections} < {pools.min_connections}",),
            "max_connections above min_connections",
        )  # fmt: skip
