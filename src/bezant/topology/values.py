"""Values of the chart, derived from a model: one document for a region, one for each service in it.

Keys are camelCase, as Helm's users write them. What the model leaves open and the chart needs is collected and
refused at once; what the chart can do without is left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from bezant.topology.errors import NotStated
from bezant.topology.model.delivery import Autoscaling, Canary
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from bezant.topology.model.workloads import Placement, Probe, Service, Workload

Values = dict[str, Any]
Stated = TypeVar("Stated")
GATEWAY: Final = "gateway"
"""The platform workload that takes requests from outside."""
COLLECTOR: Final = "collector"
"""The platform workload that takes traces."""
LOG_COLLECTOR: Final = "fluent-bit"
"""The daemonset that forwards logs."""
_TOPOLOGY_KEYS: Final = {"zone": "topology.kubernetes.io/zone", "node": "kubernetes.io/hostname"}
"""Well-known labels: https://kubernetes.io/docs/reference/labels-annotations-taints/"""


class _Reader:
    """Takes stated values and remembers the places of those that are not stated."""

    def __init__(self) -> None:
        self.missing: list[str] = []

    def take(self, place: str, value: Stated | None, otherwise: Stated) -> Stated:
        """Return the value; note its place and return the other if it is not stated."""
        if value is None:
            self.missing.append(place)
            return otherwise
        return value


def chart_values(
    topology: Topology,
    *,
    public_routes: Mapping[str, Sequence[str]],
    internal_routes: Mapping[str, Sequence[str]],
) -> dict[str, Values]:
    """Return every values document by its path, such as `us-east-1/payment.yaml`.

    The routes are path prefixes by service: from outside, and from services that call it. Raises `NotStated`.
    """
    reader = _Reader()
    called = {callee for service in topology.services for callee in service.calls}
    documents: dict[str, Values] = {}
    for region in topology.regions:
        documents[f"{region.name}/region.yaml"] = _region(reader, topology, region)
        for service in topology.services:
            routes = {
                "public": list(public_routes.get(service.name, ())) if service.exposed else [],
                "internal": list(internal_routes.get(service.name, ())) if service.name in called else [],
            }
            values = {**_service(reader, topology, service), "routes": routes}
            documents[f"{region.name}/{service.name}.yaml"] = {"services": {service.name: values}}
    if reader.missing:
        raise NotStated(topology.name, sorted(set(reader.missing)))
    return documents


def _region(reader: _Reader, topology: Topology, region: Region) -> Values:
    place = f"regions[{region.name}]"
    pools = topology.pools
    kafka = reader.take(f"{place}.kafka", region.kafka, None)
    platform = {workload.name: workload for workload in topology.platform}
    collector = reader.take(f"platform[{COLLECTOR}]", platform.get(COLLECTOR), None)
    logs = next((one for one in region.cluster.daemonsets if one.name == LOG_COLLECTOR), None)
    logs_place = f"{place}.cluster.daemonsets[{LOG_COLLECTOR}]"
    balancer = next((one for one in region.load_balancers if one.targets == "gateway"), None)
    subnets = region.network.subnets
    return {
        "mode": "active" if region.role == "primary" else "standby",
        "domain": reader.take("domain", topology.domain, ""),
        "image": {"repository": reader.take("image_repository", topology.image_repository, "")},
        "region": {
            "name": region.name,
            "role": region.role,
            "zones": list(region.availability_zones),
            "cluster": region.cluster.name,
            "vpcCidr": reader.take(f"{place}.network.cidr", region.network.cidr, ""),
            "nodeCidrs": [subnet.cidr for subnet in subnets if subnet.tier == "nodes"],
            "storeCidrs": [subnet.cidr for subnet in subnets if subnet.tier == "isolated"],
            "loadBalancerCidrs": [subnet.cidr for subnet in subnets if subnet.tier == "public"],
            "unreachableTolerationSeconds": int(region.cluster.unreachable_toleration_seconds),
            "secretReplicaRegions": _secret_replicas(topology, region),
            "kafkaReplicationFactor": kafka.replication_factor if kafka else 0,
        },
        "pools": {
            "minConnections": pools.min_connections,
            "maxConnections": pools.max_connections,
            "processConnectionCap": reader.take("pools.process_connection_cap", pools.process_connection_cap, 0),
            "idleSeconds": int(reader.take("pools.idle_seconds", pools.idle_seconds, 0.0)),
            "checkoutTimeoutSeconds": reader.take(
                "pools.checkout_timeout_seconds", pools.checkout_timeout_seconds, 0.0
            ),
        },
        "admission": _admission(reader, topology),
        "tenantDatabases": _tenant_databases(topology, region),
        "sidecar": {
            "cpu": f"{reader.take('sidecar.cpu_millicores', topology.sidecar.cpu_millicores, 0)}m",
            "memory": f"{reader.take('sidecar.memory_mebibytes', topology.sidecar.memory_mebibytes, 0)}Mi",
        },
        "gateway": _gateway(reader, reader.take(f"platform[{GATEWAY}]", platform.get(GATEWAY), None), place, balancer),
        "observability": {
            "collector": {} if collector is None else _pods(reader, f"platform[{COLLECTOR}]", collector),
            "logs": {
                "cpu": f"{reader.take(f'{logs_place}.cpu_millicores', logs and logs.cpu_millicores, 0)}m",
                "memory": f"{reader.take(f'{logs_place}.memory_mebibytes', logs and logs.memory_mebibytes, 0)}Mi",
            },
        },
    }


def _admission(reader: _Reader, topology: Topology) -> Values:
    stated = reader.take("admission", topology.admission, None)
    if stated is None:
        return {}
    return {
        "targetSeconds": stated.target_milliseconds / 1000,
        "smallest": stated.smallest,
        "initial": stated.initial,
        "largest": stated.largest,
        "queueSeconds": stated.queue_milliseconds / 1000,
        "deadlineSeconds": stated.deadline_seconds,
    }


def _tenant_databases(topology: Topology, region: Region) -> Values:
    """Return how the tenant service finds shared clusters and makes dedicated ones, as far as the model says it."""
    tiers = {tier.tier: tier for tier in region.aurora if not tier.alternative}
    taken = [name for name in ("shared", "dedicated") if name in tiers]
    values: Values = {
        # without clusters for tenants all of them live on the control database's
        "provisioner": "aurora" if taken else "postgres",
        "tiers": ",".join(taken) or "shared",
        "model": topology.name,
        "backupDays": topology.backups.automated_retention_days,
    }
    if topology.observability is not None:
        values["logDays"] = topology.observability.log_retention_days
    shared, dedicated = tiers.get("shared"), tiers.get("dedicated")
    if shared is not None and shared.tenants_per_cluster:
        values["tenantsPerCluster"] = shared.tenants_per_cluster
    if dedicated is not None:
        capacity = dedicated.serverless_capacity
        serverless = dedicated.serverless or capacity is not None
        values["readers"] = dedicated.readers_per_cluster
        other = next((one for one in topology.regions if one.name != region.name), None)
        if other is not None and _global(topology):
            values["secondary"] = {"region": other.name, "zone": other.availability_zones[0]}
        values["instanceClass"] = "db.serverless" if serverless else dedicated.instance_class
        if capacity is not None:
            values["serverlessCapacity"] = {"low": capacity.low, "high": capacity.high}
        if dedicated.engine_version is not None:
            values["engineVersion"] = dedicated.engine_version
    return values


def _global(topology: Topology) -> bool:
    """Return whether databases follow in the other region."""
    return {one.store: one.method for one in topology.recovery.stores}.get("aurora") == "global_database"


def _secret_replicas(topology: Topology, region: Region) -> list[str]:
    """Return the regions that need a copy of each secret made in this one."""
    methods = {one.store: one.method for one in topology.recovery.stores}
    if methods.get("secrets") != "replica_secrets":
        return []
    return [other.name for other in topology.regions if other.name != region.name]


def _gateway(reader: _Reader, workload: Workload | None, place: str, balancer: Any) -> Values:
    if workload is None:
        return {}
    delay = None if balancer is None else balancer.deregistration_delay_seconds
    return {
        **_pods(reader, f"platform[{GATEWAY}]", workload),
        "deregistrationDelaySeconds": int(reader.take(f"{place}.load_balancers (targets: gateway)", delay, 0.0)),
    }


def _pods(reader: _Reader, place: str, workload: Workload) -> Values:
    """Return what every kind of pods has: size, placement, update, disruption, ending."""
    budget = workload.disruption_budget
    allowed = None if budget is None else budget.max_unavailable
    return {
        "replicas": workload.replicas,
        "standbyReplicas": reader.take(f"{place}.standby_replicas", workload.standby_replicas, 0),
        "cpu": f"{workload.cpu_millicores}m",
        "memory": f"{workload.memory_mebibytes}Mi",
        "placement": _placement(workload.placement),
        "rollout": {"maxSurge": workload.rollout.max_surge, "maxUnavailable": workload.rollout.max_unavailable},
        "disruptionBudget": {"maxUnavailable": reader.take(f"{place}.disruption_budget", allowed, 0)},
        "termination": {
            "graceSeconds": int(workload.termination_grace_seconds),
            "preStopSeconds": int(reader.take(f"{place}.pre_stop_seconds", workload.pre_stop_seconds, 0.0)),
            "shutdownSeconds": int(reader.take(f"{place}.shutdown_seconds", workload.shutdown_seconds, 0.0)),
        },
    }


def _service(reader: _Reader, topology: Topology, service: Service) -> Values:
    place = f"services[{service.name}]"
    probes = service.probes
    values: Values = {
        "version": reader.take(f"{place}.version", service.version, ""),
        "port": reader.take(f"{place}.port", service.port, 0),
        "exposed": service.exposed,
        "tenantDatabases": service.tenant_databases,
        "calls": list(service.calls),
        "callers": [other.name for other in topology.services if service.name in other.calls],
        **_pods(reader, place, service),
        "probes": {
            name: _probe(reader, f"{place}.probes.{name}", None if probes is None else getattr(probes, name))
            for name in ("startup", "readiness", "liveness")
        },
    }
    if service.autoscaling is not None:
        values["autoscaling"] = _autoscaling(reader, f"{place}.autoscaling", service.autoscaling)
    if service.canary is not None:
        values["canary"] = _canary(reader, f"{place}.canary", service.canary)
    return values


def _placement(placement: Placement) -> Values:
    values: Values = {
        "spread": [
            {
                "topologyKey": _TOPOLOGY_KEYS[rule.domain],
                "maxSkew": rule.max_skew,
                "required": rule.required,
                "perTemplate": rule.per_template,
                "honorsTaints": rule.honors_taints,
            }
            for rule in placement.spread
        ]
    }
    if placement.node_group is not None:
        values["nodeGroup"] = {"name": placement.node_group, "required": placement.required}
    if placement.anti_affinity is not None:
        apart = placement.anti_affinity
        values["antiAffinity"] = {"topologyKey": _TOPOLOGY_KEYS[apart.domain], "required": apart.required}
    return values


def _probe(reader: _Reader, place: str, probe: Probe | None) -> Values:
    stated = reader.take(place, probe, None)
    if stated is None:
        return {}
    return {
        "path": stated.path,
        "periodSeconds": stated.period_seconds,
        "timeoutSeconds": stated.timeout_seconds,
        "failureThreshold": stated.failure_threshold,
    }


def _autoscaling(reader: _Reader, place: str, scaling: Autoscaling) -> Values:
    values: Values = {
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "cpuTarget": int(reader.take(f"{place}.cpu_target", scaling.cpu_target, 0.0)),
        "scaleDownStabilisationSeconds": int(scaling.scale_down_stabilisation_minutes * 60),
    }
    if scaling.uses_memory:
        values["memoryTarget"] = int(reader.take(f"{place}.memory_target", scaling.memory_target, 0.0))
    return values


def _canary(reader: _Reader, place: str, canary: Canary) -> Values:
    analysis = canary.analysis
    drop = analysis.success_rate
    reader.take(f"{place}.analysis.success_rate.measured_in", drop.measured_in, "percentage_points")
    reader.take(f"{place}.analysis.success_rate.against", drop.against, "stable_at_the_same_time")
    window = reader.take(f"{place}.analysis.window_minutes", analysis.window_minutes, 0.0)
    return {
        "steps": [
            {"weight": int(step.weight), "pods": step.pods, "holdMinutes": int(step.hold_minutes)}
            for step in canary.steps
        ],
        "analysis": {
            "errorRateLimitPercent": analysis.error_rate_limit,
            "p99LatencyLimitMilliseconds": analysis.p99_latency_limit_milliseconds,
            "successRateDropPoints": drop.drop,
            "windowMinutes": int(window),
            "minimumSamples": reader.take(f"{place}.analysis.minimum_samples", analysis.minimum_samples, 0),
        },
    }
