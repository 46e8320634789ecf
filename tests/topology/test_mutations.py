"""Change any single number of `production` in the direction of a defect, and the right rule speaks.

The first test walks the table. The second one makes sure that the table has every number of the model, or a reason why
no rule could object to it.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest

from bezant.topology.errors import TopologyInvalid
from bezant.topology.loading import load_model
from bezant.topology.model.deployment import Topology
from bezant.topology.rules.registry import ALL_RULES
from bezant.topology.rules.rule import Deployment

P, S = "regions[us-east-1]", "regions[sa-east-1]"
PAY = "services[payment]"
CANARY = f"{PAY}.canary"

MUTATIONS: list[tuple[str, Any, str]] = [
    ("tenants", 106, "tenants-unplaced"),
    ("tenants", 101, "pool-residency"),
    ("tenants", 101, "secret-count"),
    # network
    (f"{P}.network.subnets[nodes us-east-1b].cidr", "10.0.48.0/25", "subnet-addresses"),
    (f"{S}.network.subnets[nodes sa-east-1b].cidr", "10.1.48.0/25", "subnet-addresses"),
    (f"{P}.network.subnets[nodes us-east-1b].cidr", "10.9.48.0/20", "subnet-outside-vpc"),
    (f"{P}.network.subnets[nodes us-east-1b].cidr", "10.0.32.0/20", "cidr-overlap"),
    (f"{P}.network.cidr", None, "subnet-without-vpc-network"),
    (f"{S}.network.cidr", "10.0.0.0/15", "cidr-overlap"),
    (f"{P}.network.nat_gateway_zones", ["us-east-1a", "us-east-1b"], "nat-gateway-missing"),
    (f"{P}.load_balancers[public].zones", ["us-east-1a"], "load-balancer-per-zone"),
    (f"{P}.load_balancers[public].deregistration_delay_seconds", 300, "grace-shorter-than-deregistration"),
    (f"{P}.cluster.unreachable_toleration_seconds", 300, "unreachable-node-tolerated-long"),
    # nodes
    (f"{P}.cluster.node_groups[general].nodes_per_zone", 1, "placement-zone-loss"),
    (f"{P}.cluster.node_groups[general].nodes_per_zone", 3, "node-count-contradiction"),
    (f"{P}.cluster.node_groups[compute].nodes_per_zone", 0, "placement-zone-loss"),
    (f"{P}.cluster.node_groups[memory].nodes_per_zone", 0, "placement-canary"),
    (f"{P}.cluster.node_groups[general].max_nodes_per_zone", 3, "placement-autoscaled"),
    (f"{P}.cluster.node_groups[compute].max_nodes_per_zone", 1, "placement-autoscaled"),
    (f"{P}.cluster.node_groups[general].max_nodes_per_zone", 20, "quota-vcpus"),
    (f"{P}.cluster.node_groups[general].instance_type", "t3.large", "burstable-nodes"),
    (f"{P}.cluster.node_groups[compute].instance_type", "c6i.xlarge", "placement-canary"),
    (f"{P}.cluster.node_groups[general].volume_gibibytes", 9000, "budget-exceeded"),
    (f"{P}.cluster.daemonsets[fluent-bit].cpu_millicores", 900, "placement-canary"),
    (f"{P}.cluster.daemonsets[fluent-bit].memory_mebibytes", 9000, "placement-zone-loss"),
    (f"{S}.cluster.node_groups[general].nodes_per_zone", 1, "placement-secondary"),
    (f"{S}.cluster.node_groups[general].max_nodes_per_zone", 3, "placement-secondary"),
    # databases, cache, broker
    (f"{P}.aurora[shared].clusters", 40, "quota-aurora-clusters"),
    (f"{P}.aurora[shared].clusters", 9, "writers-in-one-zone"),
    (f"{P}.aurora[shared].clusters", 15, "quota-aurora-instances"),
    (f"{P}.aurora[shared].tenants_per_cluster", 40, "connections-idle"),
    (f"{P}.aurora[shared].tenants_per_cluster", 14, "connections-busy"),
    (f"{P}.aurora[shared].tenants_per_cluster", 9, "tenants-unplaced"),
    (f"{P}.aurora[shared].instance_class", "db.r6g.large", "connections-busy"),
    (f"{P}.aurora[control].instance_class", "db.t4g.medium", "connections-control"),
    (f"{P}.aurora[shared].readers_per_cluster", 0, "reader-missing"),
    (f"{P}.aurora[shared].readers_per_cluster", 3, "quota-aurora-instances"),
    (f"{P}.aurora[shared].writers_by_zone.us-east-1a", 10, "writers-in-one-zone"),
    (f"{P}.aurora[shared].writers_by_zone.us-east-1b", 2, "writers-in-one-zone"),
    (f"{P}.aurora[shared].writers_by_zone.us-east-1c", 4, "writers-in-one-zone"),
    (f"{S}.aurora[shared].writers_by_zone.sa-east-1a", 10, "writers-in-one-zone"),
    (f"{S}.aurora[shared].writers_by_zone.sa-east-1b", 10, "writers-in-one-zone"),
    (f"{S}.aurora[shared].writers_by_zone.sa-east-1c", 10, "writers-in-one-zone"),
    (f"{P}.aurora[shared].storage_gigabytes", 90_000, "budget-exceeded"),
    (f"{P}.aurora[shared].backup_gigabytes", 90_000, "budget-exceeded"),
    (f"{P}.aurora[shared].alternative", True, "tenants-placed-twice"),
    (f"{P}.aurora[shared].serverless", True, "serverless-or-provisioned"),
    (f"{P}.valkey.shards[0].replica_zones", ["us-east-1a"], "valkey-replica-zone"),
    (f"{P}.valkey.shards[0].replica_zones", [], "valkey-replica-zone"),
    (f"{P}.valkey.shards[0].primary_zone", "us-east-1b", "valkey-zone-quorum"),
    (f"{P}.kafka", None, "kafka-missing"),
    (f"{S}.kafka", None, "kafka-missing"),
    (f"{P}.kafka.brokers", 4, "kafka-replication"),
    (f"{P}.kafka.brokers", 2, "kafka-copies"),
    (f"{P}.kafka.replication_factor", 2, "kafka-copies"),
    (f"{P}.kafka.min_in_sync_replicas", 1, "kafka-replication"),
    (f"{P}.kafka.min_in_sync_replicas", 3, "kafka-copies"),
    (f"{P}.kafka.storage_gigabytes_per_broker", 20_000, "budget-exceeded"),
    # services
    ("sidecar.cpu_millicores", 900, "placement-zone-loss"),
    ("sidecar.memory_mebibytes", 6000, "placement-zone-loss"),
    (f"{PAY}.replicas", 31, "autoscaling-range"),
    (f"{PAY}.replicas", 24, "placement-canary"),
    ("services[audit].replicas", 2, "single-replica"),
    ("services[audit].replicas", 40, "placement-zone-loss"),
    (f"{PAY}.standby_replicas", 0, "placement-secondary"),
    (f"{PAY}.standby_replicas", 60, "placement-secondary"),
    (f"{PAY}.standby_replicas", None, "placement-secondary"),
    (f"{PAY}.cpu_millicores", 2500, "placement-zone-loss"),
    (f"{PAY}.cpu_millicores", 9000, "service-fits-no-node-group"),
    (f"{PAY}.memory_mebibytes", 8000, "placement-zone-loss"),
    (f"{PAY}.memory_mebibytes", 20_000, "service-fits-no-node-group"),
    (f"{PAY}.version", None, "version-unstated"),
    (f"{PAY}.placement.spread[0].max_skew", 3, "spread-missing"),
    (f"{PAY}.placement.spread[0].per_template", False, "spread-missing"),
    (f"{PAY}.placement.spread[0].honors_taints", False, "placement-zone-loss"),
    (f"{PAY}.placement.spread[0].required", False, "spread-missing"),
    (f"{PAY}.placement.anti_affinity", {"domain": "zone", "required": True}, "zone-anti-affinity"),
    (f"{PAY}.placement.anti_affinity", {"domain": "zone", "required": True}, "update-deadlock"),
    (f"{PAY}.rollout.max_surge", 1, "rolling-update-duration"),
    ("services[audit].rollout.max_surge", 0, "update-deadlock"),
    (f"{PAY}.rollout.max_surge", 60, "placement-update"),
    (f"{PAY}.rollout.max_unavailable", 1, "update-loses-capacity"),
    (f"{PAY}.rollout.pod_ready_minutes.low", 1, "rolling-update-duration"),
    (f"{PAY}.rollout.pod_ready_minutes.high", 4, "rolling-update-duration"),
    (f"{PAY}.disruption_budget", None, "disruption-budget-missing"),
    (f"{PAY}.disruption_budget.max_unavailable", 0, "disruption-budget-missing"),
    (f"{PAY}.disruption_budget.max_unavailable", 6, "disruption-budget-missing"),
    (f"{PAY}.termination_grace_seconds", 30, "shutdown-cut-short"),
    (f"{PAY}.pre_stop_seconds", 50, "shutdown-cut-short"),
    (f"{PAY}.pre_stop_seconds", 0, "shutdown-cut-short"),
    (f"{PAY}.pre_stop_seconds", None, "shutdown-cut-short"),
    (f"{PAY}.shutdown_seconds", 51, "shutdown-cut-short"),
    (f"{PAY}.probes", None, "probes-unstated"),
    (f"{PAY}.probes.startup.period_seconds", 1, "liveness-faster-than-readiness"),
    (f"{PAY}.probes.startup.failure_threshold", 10, "liveness-faster-than-readiness"),
    (f"{PAY}.probes.startup.timeout_seconds", 3, "liveness-faster-than-readiness"),
    (f"{PAY}.probes.readiness.period_seconds", 30, "liveness-faster-than-readiness"),
    (f"{PAY}.probes.readiness.failure_threshold", 12, "liveness-faster-than-readiness"),
    (f"{PAY}.probes.readiness.timeout_seconds", 6, "liveness-faster-than-readiness"),
    (f"{PAY}.probes.liveness.period_seconds", 1, "liveness-faster-than-readiness"),
    (f"{PAY}.probes.liveness.failure_threshold", 1, "liveness-faster-than-readiness"),
    (f"{PAY}.probes.liveness.timeout_seconds", 11, "liveness-faster-than-readiness"),
    # autoscaling
    (f"{PAY}.autoscaling.min_replicas", 2, "single-replica"),
    (f"{PAY}.autoscaling.min_replicas", 7, "autoscaling-range"),
    (f"{PAY}.autoscaling.max_replicas", 11, "hpa-fixed-point"),
    (f"{PAY}.autoscaling.max_replicas", 60, "placement-autoscaled"),
    (f"{PAY}.autoscaling.max_replicas", 60, "connections-busy"),
    (f"{PAY}.autoscaling.cpu_target", None, "hpa-target-unstated"),
    (f"{PAY}.autoscaling.cpu_target", 95, "hpa-fixed-point"),
    (f"{PAY}.autoscaling.cpu_target", 30, "hpa-fixed-point"),
    (f"{PAY}.autoscaling.cpu_target", 50, "hpa-story"),
    (f"{PAY}.autoscaling.uses_memory", True, "hpa-memory-ratchet"),
    (f"{PAY}.autoscaling.normal_cpu_utilisation", 90, "hpa-fixed-point"),
    (f"{PAY}.autoscaling.scale_down_stabilisation_minutes", 1, "hpa-flapping"),
    (f"{PAY}.autoscaling.story[2].replicas_after", 6, "hpa-story"),
    (f"{PAY}.autoscaling.story[0].replicas_before", 4, "hpa-story"),
    (f"{PAY}.autoscaling.story[0].cpu_utilisation", 95, "hpa-story"),
    # canary
    (f"{CANARY}.steps[3].weight", 90, "canary-incomplete"),
    (f"{CANARY}.steps[1].weight", 5, "canary-incomplete"),
    (f"{CANARY}.steps[1].weight", 140, "percentage-out-of-range"),
    (f"{CANARY}.steps[2].pods", 2, "canary-pods-short"),
    (f"{CANARY}.steps[0].hold_minutes", 20, "canary-underpowered"),
    (f"{CANARY}.steps[0].hold_minutes", 90, "canary-duration"),
    (f"{CANARY}.pods_follow_weight", False, "canary-pods-fixed"),
    (f"{CANARY}.analysis.error_rate_limit", 0.25, "canary-false-abort"),
    (f"{CANARY}.analysis.error_rate_at_limit", None, "canary-threshold-undefined"),
    (f"{CANARY}.analysis.success_rate.drop", 0.5, "canary-underpowered"),
    (f"{CANARY}.analysis.success_rate.measured_in", None, "canary-threshold-undefined"),
    (f"{CANARY}.analysis.success_rate.against", None, "canary-threshold-undefined"),
    (f"{CANARY}.analysis.window_minutes", 1, "canary-false-abort"),
    (f"{CANARY}.analysis.window_minutes", 10, "canary-p99-samples"),
    (f"{CANARY}.analysis.window_minutes", 61, "canary-minimum-unreachable"),
    (f"{CANARY}.analysis.minimum_samples", 100, "canary-underpowered"),
    (f"{CANARY}.analysis.minimum_samples", 2000, "canary-minimum-unreachable"),
    (f"{CANARY}.stated_hours.low", 3, "canary-duration"),
    (f"{CANARY}.stated_hours.high", 6, "canary-duration"),
    ("usage.payments_per_month", 1_000_000, "canary-underpowered"),
    # platform
    ("platform[coredns].replicas", 1, "single-replica"),
    ("platform[gateway].standby_replicas", 40, "placement-secondary"),
    ("platform[gateway].cpu_millicores", 3600, "placement-zone-loss"),
    ("platform[gateway].memory_mebibytes", 12_000, "placement-zone-loss"),
    ("platform[istiod].disruption_budget.max_unavailable", 2, "disruption-budget-missing"),
    ("platform[gateway].termination_grace_seconds", 20, "grace-shorter-than-deregistration"),
    ("platform[gateway].pre_stop_seconds", 70, "shutdown-cut-short"),
    ("platform[gateway].shutdown_seconds", 60, "shutdown-cut-short"),
    ("platform[gateway].rollout.max_surge", 0, "update-deadlock"),
    ("platform[gateway].rollout.max_unavailable", 1, "update-loses-capacity"),
    ("node_autoscaler.provision_minutes.high", 12, "node-flapping"),
    ("node_autoscaler.scale_down_after_minutes", 4, "node-flapping"),
    ("node_autoscaler.scale_down_below_utilisation", 80, "node-flapping"),
    # pools, topics, secrets
    ("pools.min_connections", 5, "connections-idle"),
    ("pools.max_connections", 60, "connections-busy"),
    ("pools.max_connections", 1, "pool-residency"),
    ("pools.process_connection_cap", 100, "pool-residency"),
    ("pools.control_connections_per_process", 40, "connections-control"),
    ("admission.smallest", 128, "admission-bounds"),
    ("admission.initial", 16, "admission-bounds"),
    ("admission.largest", 100, "admission-bounds"),
    ("admission.queue_milliseconds", 50, "admission-times"),
    ("admission.target_milliseconds", 6000, "admission-times"),
    ("admission.deadline_seconds", 5, "admission-times"),
    ("topics[tenant.created].delivery", "one_member_per_group", "topic-reaches-one-instance"),
    ("topics[tenant.created].delivery", None, "topic-reaches-one-instance"),
    ("secrets.onboarding_keys", ["tenant_{id}_db_url"], "secret-count"),
    ("secrets.stated_secrets", 500, "secret-count"),
    ("secrets.platform_secrets", 21, "secret-count"),
    ("security.encrypted_at_rest", False, "encryption-missing"),
    ("security.encrypted_in_transit", False, "encryption-missing"),
    ("security.credential_rotation_days", None, "credentials-never-rotated"),
    ("security.credential_rotation_days", 91, "credentials-never-rotated"),
    # backups and recovery
    ("backups.automated_every_hours", 48, "backup-loses-more"),
    ("backups.automated_retention_days", 7, "backup-loses-more"),
    ("backups.snapshot_every_days", 60, "backup-loses-more"),
    ("backups.snapshot_retention_days", 30, "backup-loses-more"),
    ("backups.point_in_time_recovery", False, "backup-loses-more"),
    ("backups.restore_tested_every_days", None, "recovery-unmeasured"),
    ("backups.restore_tested_every_days", 365, "recovery-unmeasured"),
    ("recovery.rto_minutes", 30, "recovery-time"),
    ("recovery.rpo_minutes", 0.5, "recovery-point"),
    ("recovery.steps[detect].minutes", 40, "recovery-time"),
    ("recovery.steps[detect].minutes", None, "recovery-time"),
    ("recovery.stores[aurora].loss_seconds", 600, "recovery-point"),
    ("recovery.stores[aurora].loss_seconds", None, "recovery-point"),
    ("recovery.dns_switch", "health_check_alone", "dns-before-promotion"),
    ("recovery.dns_ttl_seconds", 300, "dns-before-promotion"),
    ("recovery.drill_every_days", None, "recovery-unmeasured"),
    ("recovery.drill_every_days", 400, "recovery-unmeasured"),
    ("recovery.in_region_failover_seconds", 600, "recovery-time"),
    # edge
    ("edge.health_checks.interval_seconds", 30, "health-check-slow"),
    ("edge.health_checks.failure_threshold", 10, "health-check-slow"),
    ("edge.firewall.requests_per_address", 10_000, "firewall-below-peak"),
    ("edge.firewall.requests_per_key", 10_000, "firewall-below-peak"),
    ("edge.firewall.window_seconds", 600, "firewall-below-peak"),
    ("usage.peak_payments_per_second", 200.0, "firewall-below-peak"),
    # bill
    ("usage.log_gigabytes", 20_000, "budget-exceeded"),
    ("usage.custom_metrics", 20_000, "budget-exceeded"),
    ("usage.traces_millions", 2000, "budget-exceeded"),
    ("usage.inter_zone_gigabytes", 200_000, "budget-exceeded"),
    ("usage.cross_region_gigabytes", 200_000, "budget-exceeded"),
    ("usage.egress_gigabytes", 50_000, "budget-exceeded"),
    ("usage.nat_gigabytes", 100_000, "budget-exceeded"),
    ("usage.load_balancer_capacity_units", 1000, "budget-exceeded"),
    ("usage.aurora_io_millions", 20_000, "budget-exceeded"),
    ("usage.kms_requests_millions", 2000, "budget-exceeded"),
    ("statements.average_nodes", 30, "node-count-contradiction"),
    ("statements.nodes_by_group.general", 18, "node-count-contradiction"),
    ("statements.nodes_by_group.compute", 9, "node-count-contradiction"),
    ("statements.nodes_by_group.memory", 9, "node-count-contradiction"),
    ("statements.rolling_update_minutes.low", 5, "rolling-update-duration"),
    ("statements.rolling_update_minutes.high", 15, "rolling-update-duration"),
    ("statements.monthly_budget", 20_000, "budget-exceeded"),
]

NO_DEFECT: dict[str, str] = {
    "regions[*].cluster.warm_eni_target": "bounded by the machine's interfaces, which the subnets hold when full",
    "services[*].port": "any port works; the mesh and the probes take it from here",
    "services[*].autoscaling.normal_memory_utilisation": "read only if a memory metric is used",
    "services[*].autoscaling.story[*].after_minutes": "a narrative of when, which no rule relies on",
    "services[*].canary.analysis.p99_latency_limit_milliseconds": "a promise to customers, not derivable",
    "platform[*].placement.spread[*].max_skew": "platform workloads have two or three pods; single-replica covers them",
    "platform[*].rollout.pod_ready_minutes.low": "nothing waits for the platform's start",
    "platform[*].rollout.pod_ready_minutes.high": "nothing waits for the platform's start",
    "node_autoscaler.provision_minutes.low": "only the slow end matters",
    **dict.fromkeys(
        (
            f"regions[*].pieces.{name}"
            for name in ("alarms", "firewall_rules", "health_checks", "interface_endpoints", "keys")
        ),
        "what the stacks make, counted in their templates (tests/infra/checks/billing.py)",
    ),
    "pools.idle_seconds": "bounded by the service's own settings",
    "pools.checkout_timeout_seconds": "bounded by the service's own settings",
    "edge.access_log_days": "how long logs are kept is not derivable",
    "observability.log_retention_days": "how long logs are kept is not derivable",
    "observability.alarms.cpu_percent": "when somebody is called is a choice",
    "observability.alarms.connections_percent": "when somebody is called is a choice",
    "observability.alarms.storage_percent": "when somebody is called is a choice",
    "observability.alarms.replica_lag_seconds": "when somebody is called is a choice",
}


@pytest.mark.parametrize(("place", "value", "rule"), MUTATIONS, ids=[f"{p}={v}:{r}" for p, v, r in MUTATIONS])
def test_the_right_rule_speaks(with_changes: Callable[..., Topology], place: str, value: Any, rule: str) -> None:
    try:
        topology = with_changes({place: value})
    except TopologyInvalid as refused:
        assert rule in {violation.rule for violation in refused.violations}, refused
        return
    findings = ALL_RULES[rule].findings(Deployment(topology))
    assert findings, f"{rule} is silent"
    assert all(finding.arithmetic and finding.correction and finding.summary for finding in findings)


def test_every_number_is_in_the_table_or_has_a_reason() -> None:
    patterns: dict[str, None] = {}

    def walk(place: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{place}.{key}" if place else key, inner)
        elif isinstance(value, list):
            for inner in value:
                walk(f"{place}[*]", inner)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            patterns[place] = None

    walk("", load_model("production").model_dump(mode="json"))
    mutated = {re.sub(r"\[[^\]]*\]", "[*]", place) for place, _, _ in MUTATIONS}
    missing = set(patterns) - mutated - set(NO_DEFECT)
    assert not missing
    assert not set(NO_DEFECT) - set(patterns), "a reason for a number that is not there any more"


def test_production_keeps_every_rule() -> None:
    deployment = Deployment(load_model("production"))
    assert [finding for rule in ALL_RULES.values() for finding in rule.findings(deployment)] == []
