"""Alarms on what AWS measures, for the model's objectives. What the services measure stands in the chart's alerts.

Error rate and latency are the canary's limits, lag the recovery point, connections what an instance class allows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bezant.topology.machines import database_machine
from bezant.topology.model.data_stores import AuroraTier, Kafka, Valkey
from bezant.topology.model.delivery import CanaryAnalysis
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from bezant.topology.model.observability import Alarms
from infrastructure.aurora import made_clusters

BYTES_PER_CONNECTION: Final = 9_531_392
MAX_CONNECTIONS: Final = 5_000
"""max_connections of Aurora PostgreSQL: LEAST(memory / 9531392, 5000)."""
MINUTE: Final = 60


@dataclass(frozen=True)
class Alarm:
    """One alarm. `statistic` may be a percentile; `sums` are metrics added up and shared by `per`, in per cent."""

    name: str
    says: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    threshold: float
    statistic: str = "Average"
    below: bool = False
    minutes: int = 5
    missing: str = "notBreaching"
    sums: tuple[str, ...] = field(default=())
    per: str | None = None


def load_balancer_alarms(
    topology: Topology, region: Region, *, balancer: str, targets: str, analysis: CanaryAnalysis
) -> Iterator[Alarm]:
    """Return the alarms of the way in, by the full names that CloudWatch knows load balancers by."""
    whole, group = {"LoadBalancer": balancer}, {"LoadBalancer": balancer, "TargetGroup": targets}
    space = "AWS/ApplicationELB"
    yield Alarm(
        "edge-errors", f"more than {analysis.error_rate_limit:g} % of the answers are 5xx", space, "errors", whole,
        analysis.error_rate_limit, sums=("HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"), per="RequestCount",
    )  # fmt: skip
    limit = analysis.p99_latency_limit_milliseconds
    yield Alarm(
        "edge-latency", f"1 % of the answers take longer than {limit} ms", space, "TargetResponseTime", whole,
        limit / 1000, statistic="p99",
    )  # fmt: skip
    yield Alarm(
        "edge-gateways", "a zone has no healthy gateway", space, "HealthyHostCount", group,
        len(region.availability_zones), statistic="Minimum", below=True, missing="breaching",
    )  # fmt: skip


def connection_limit(tier: AuroraTier) -> int:
    """Return max_connections of an instance of the tier."""
    return min(database_machine(tier.instance_class).memory_gibibytes * 2**30 // BYTES_PER_CONNECTION, MAX_CONNECTIONS)


def database_alarms(topology: Topology, region: Region, bounds: Alarms) -> Iterator[Alarm]:
    """Return the alarms of every Aurora cluster of the region."""
    space = "AWS/RDS"
    for tier, name in made_clusters(region):
        allowed = connection_limit(tier)
        where = {"DBClusterIdentifier": name}
        yield Alarm(
            f"{name}-cpu", f"{name}: CPU above {bounds.cpu_percent:g} %", space, "CPUUtilization", where,
            bounds.cpu_percent, statistic="Maximum", minutes=15,
        )  # fmt: skip
        most = int(allowed * bounds.connections_percent / 100)
        yield Alarm(
            f"{name}-connections", f"{name}: more than {most} of {allowed} connections", space,
            "DatabaseConnections", where, most, statistic="Maximum",
        )  # fmt: skip
        if tier.readers_per_cluster:
            yield Alarm(
                f"{name}-reader-lag", f"{name}: a reader is more than {bounds.replica_lag_seconds:g} s behind",
                space, "AuroraReplicaLagMaximum", where, bounds.replica_lag_seconds * 1000, statistic="Maximum",
            )  # fmt: skip
        if region.role == "secondary":
            rpo = topology.recovery.rpo_minutes
            yield Alarm(
                f"{name}-global-lag", f"{name}: a fail-over would lose more than {rpo:g} minutes", space,
                "AuroraGlobalDBReplicationLag", {**where, "SourceRegion": topology.primary.name}, rpo * 60 * 1000,
                statistic="Maximum",
                missing="breaching",
            )  # fmt: skip


def cache_alarms(valkey: Valkey, bounds: Alarms, *, group: str) -> Iterator[Alarm]:
    """Return the alarms of every node of the cache."""
    for shard, one in enumerate(valkey.shards, start=1):
        for node in range(1, 2 + len(one.replica_zones)):
            name = f"{group}-{shard:04d}-{node:03d}"
            for metric, what in (("EngineCPUUtilization", "CPU"), ("DatabaseMemoryUsagePercentage", "memory")):
                yield Alarm(
                    f"cache-{shard}-{node}-{what.lower()}", f"{name}: {what} above {bounds.cpu_percent:g} %",
                    "AWS/ElastiCache", metric, {"CacheClusterId": name}, bounds.cpu_percent, minutes=15,
                )  # fmt: skip


def broker_alarms(kafka: Kafka, bounds: Alarms, *, cluster: str) -> Iterator[Alarm]:
    """Return the alarms of the broker cluster and of each broker."""
    space, whole = "AWS/Kafka", {"Cluster Name": cluster}
    yield Alarm("broker-controller", "the brokers have no controller, or several", space, "ActiveControllerCount",
                whole, 1 / kafka.brokers, below=True, missing="breaching")  # fmt: skip
    yield Alarm("broker-offline", "partitions answer nobody", space, "OfflinePartitionsCount", whole, 0,
                statistic="Maximum")  # fmt: skip
    for number in range(1, kafka.brokers + 1):
        where = {**whole, "Broker ID": str(number)}
        yield Alarm(f"broker-{number}-disk", f"broker {number}: disk above {bounds.storage_percent:g} %", space,
                    "KafkaDataLogsDiskUsed", where, bounds.storage_percent)  # fmt: skip
        yield Alarm(f"broker-{number}-cpu", f"broker {number}: CPU above {bounds.cpu_percent:g} %", space, "CpuUser",
                    where, bounds.cpu_percent, minutes=15)  # fmt: skip
        yield Alarm(f"broker-{number}-copies", f"broker {number}: partitions lack copies", space,
                    "UnderReplicatedPartitions", where, 0, statistic="Maximum", minutes=15)  # fmt: skip


def node_alarms(region: Region) -> Iterator[Alarm]:
    """Return the alarm of Container Insights on nodes."""
    yield Alarm("nodes-failed", "nodes are not ready", "ContainerInsights", "cluster_failed_node_count",
                {"ClusterName": region.cluster.name}, 0, statistic="Maximum", minutes=10)  # fmt: skip
