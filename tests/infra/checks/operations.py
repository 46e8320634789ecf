"""Who is called when: topic, alarms, log groups, budget."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

from .templates import Template, Templates, listed, of_type, only, regions

CONNECTIONS: Final = {"db.r6g.large": 1802, "db.r6g.xlarge": 3604}
"""LEAST({DBInstanceClassMemory/9531392}, 5000), computed by hand: 16 and 32 GiB."""


def check_topic(templates: Templates, model: Topology) -> Iterator[str]:
    """Encrypted with a key that its publishers may use, and written to by nobody else."""
    for region, template in regions(templates, model, "topic"):
        topic = only(template, "SNS::Topic")
        if "KmsMasterKeyId" not in topic:
            yield f"{region.name}: alarms are sent in plain"
        allowed = [one for one in only(template, "SNS::TopicPolicy")["PolicyDocument"]["Statement"]
                   if one["Effect"] == "Allow"]  # fmt: skip
        publishers = {name for one in allowed for name in listed(one["Principal"].get("Service", "*"))}
        if publishers != {f"{one}.amazonaws.com" for one in ("cloudwatch", "backup", "budgets")}:
            yield f"{region.name}: {sorted(publishers)} may send alarms"
        if any("aws:SourceAccount" not in str(one.get("Condition")) for one in allowed):
            yield f"{region.name}: other accounts may send alarms"
        key = str(only(template, "KMS::Key")["KeyPolicy"])
        if not all(name in key for name in publishers):
            yield f"{region.name}: alarms cannot be encrypted"


def _alarms(template: Template) -> dict[str, dict[str, Any]]:
    return {one["AlarmName"]: one for one in of_type(template, "CloudWatch::Alarm").values()}


def _by_metric(template: Template) -> dict[tuple[str, str], float]:
    """Return the thresholds by metric and what it is measured of."""
    found = {}
    for one in _alarms(template).values():
        if "MetricName" in one:
            of = {part["Name"]: part["Value"] for part in one["Dimensions"]}
            where = of.get("DBClusterIdentifier") or of.get("CacheClusterId") or of.get("Broker ID") or "region"
            found[(one["MetricName"], str(where))] = one["Threshold"]
    return found


def check_objectives(templates: Templates, model: Topology) -> Iterator[str]:
    """Error rate and latency of the way in are the canary's limits; a zone without a gateway calls somebody."""
    analysis = model.service("payment").canary.analysis  # type: ignore[union-attr]
    for region, template in regions(templates, model, "operations"):
        alarms = _alarms(template)
        errors = alarms.get(f"{region.cluster.name}-edge-errors", {})
        metrics = {one.get("MetricStat", {}).get("Metric", {}).get("MetricName") for one in errors.get("Metrics", [])}
        wanted = {"HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count", "RequestCount"}
        if errors.get("Threshold") != analysis.error_rate_limit or not wanted <= metrics:
            yield f"{region.name}: the error rate's alarm is {errors}"
        latency = alarms.get(f"{region.cluster.name}-edge-latency", {})
        is_ = (latency.get("ExtendedStatistic"), latency.get("Threshold"))
        if is_ != ("p99", analysis.p99_latency_limit_milliseconds / 1000):
            yield f"{region.name}: the latency's alarm is {is_}"
        gateways = alarms.get(f"{region.cluster.name}-edge-gateways", {})
        if (gateways.get("Threshold"), gateways.get("ComparisonOperator")) != (
            len(region.availability_zones), "LessThanThreshold",
        ):  # fmt: skip
            yield f"{region.name}: nobody is told of a zone without a gateway"
        for name, one in alarms.items():
            if "operations" not in str(one.get("AlarmActions")) and not one.get("AlarmActions"):
                yield f"{region.name}: {name} calls nobody"


def check_database_alarms(templates: Templates, model: Topology) -> Iterator[str]:
    """CPU, connections and lags of every cluster, by the model's bounds and its recovery point."""
    assert model.observability is not None
    bounds = model.observability.alarms
    for region, template in regions(templates, model, "operations"):
        found = _by_metric(template)
        for tier in region.aurora:
            for number in range(1, tier.clusters + 1 if tier.made_by == "stacks" else 1):
                name = "bezant-control" if tier.tier == "control" else f"bezant-{tier.tier}-{number}"
                wanted: dict[str, float] = {
                    "CPUUtilization": bounds.cpu_percent,
                    "DatabaseConnections": CONNECTIONS[tier.instance_class] * bounds.connections_percent // 100,
                }
                if tier.readers_per_cluster:
                    wanted["AuroraReplicaLagMaximum"] = bounds.replica_lag_seconds * 1000
                if region.role == "secondary":
                    wanted["AuroraGlobalDBReplicationLag"] = model.recovery.rpo_minutes * 60_000
                for metric, threshold in wanted.items():
                    if found.get((metric, name)) != threshold:
                        yield f"{region.name}: {name} {metric} calls at {found.get((metric, name))}, not {threshold}"


def check_global_lag(templates: Templates, model: Topology) -> Iterator[str]:
    """The lag's alarm asks where the metric is: at the follower, by its source. Anywhere else it has no data, for ever.

    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/dimensions.html
    """
    for region, template in regions(templates, model, "operations"):
        for name, one in _alarms(template).items():
            if one.get("MetricName") != "AuroraGlobalDBReplicationLag":
                continue
            of = {part["Name"]: part["Value"] for part in one["Dimensions"]}
            if of.keys() != {"DBClusterIdentifier", "SourceRegion"} or of["SourceRegion"] != model.primary.name:
                yield f"{region.name}: {name} asks for {of}"


def check_store_alarms(templates: Templates, model: Topology) -> Iterator[str]:
    """Every node of the cache and every broker is watched."""
    for region, template in regions(templates, model, "operations"):
        watched = Counter(metric for metric, _ in _by_metric(template))
        assert region.valkey is not None
        assert region.kafka is not None
        wanted = {"EngineCPUUtilization": region.valkey.nodes, "DatabaseMemoryUsagePercentage": region.valkey.nodes,
                  "KafkaDataLogsDiskUsed": region.kafka.brokers, "UnderReplicatedPartitions": region.kafka.brokers,
                  "OfflinePartitionsCount": 1, "ActiveControllerCount": 1, "cluster_failed_node_count": 1}  # fmt: skip
        for metric, count in wanted.items():
            if watched[metric] != count:
                yield f"{region.name}: {watched[metric]} alarms of {metric}, not {count}"


def check_logs_of_pods(templates: Templates, model: Topology) -> Iterator[str]:
    """A group for each service before anything writes to it, kept as long as the model says; Container Insights too."""
    assert model.observability is not None
    for region, template in regions(templates, model, "operations"):
        groups = {one["LogGroupName"]: one.get("RetentionInDays") for one in
                  of_type(template, "Logs::LogGroup").values()}  # fmt: skip
        name = region.cluster.name
        wanted = {f"/bezant/{name}", *(f"/bezant/{name}/{one.name}" for one in model.services)}
        wanted |= {f"/aws/containerinsights/{name}/{part}" for part in ("application", "dataplane", "host",
                                                                       "performance")}  # fmt: skip
        if groups != dict.fromkeys(wanted, model.observability.log_retention_days):
            yield f"{region.name}: logs are kept in {groups}"
        yield from _add_on(region, templates[f"{region.name}/cluster"])


def _add_on(region: Region, template: Template) -> Iterator[str]:
    add_ons = {one["AddonName"]: one for one in of_type(template, "EKS::Addon").values()}
    insights = add_ons.get("amazon-cloudwatch-observability", {})
    agent = next(one for one in region.cluster.daemonsets if one.name == "cloudwatch-agent")
    settings = insights.get("ConfigurationValues", "")
    if f'"cpu": "{agent.cpu_millicores}m"' not in settings or not insights.get("PodIdentityAssociations"):
        yield f"{region.name}: Container Insights is {insights}"
    if '"containerLogs": {"enabled": false}' not in settings:
        yield f"{region.name}: logs are collected twice"


def check_database_logs(templates: Templates, model: Topology) -> Iterator[str]:
    """The group that RDS writes a cluster's log to is there before it, encrypted and with an end."""
    assert model.observability is not None
    for region, template in regions(templates, model, "databases"):
        groups = {one["LogGroupName"]: one["RetentionInDays"] for one in of_type(template, "Logs::LogGroup").values()}
        names = [one["DBClusterIdentifier"] for one in of_type(template, "RDS::DBCluster").values()]
        wanted = {f"/aws/rds/cluster/{name}/postgresql": model.observability.log_retention_days for name in names}
        if groups != wanted:
            yield f"{region.name}: databases log to {sorted(groups.keys() ^ wanted.keys())}"


def check_budget(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's budget, with a warning before it is reached."""
    (one,) = of_type(templates[f"{model.primary.name}/operations"], "Budgets::Budget").values()
    if one["Budget"]["BudgetLimit"] != {"Amount": model.statements.monthly_budget, "Unit": "USD"}:
        yield f"the budget is {one['Budget']['BudgetLimit']}"
    told = sorted(part["Notification"]["Threshold"] for part in one["NotificationsWithSubscribers"])
    if not told or told[0] >= 100:
        yield "nobody is told before the budget is spent"


def check_region_lost(templates: Templates, model: Topology) -> Iterator[str]:
    """Somebody is called when Route 53 finds that the primary does not answer: it is their decision to fail over."""
    alarms = _alarms(templates[f"{model.primary.name}/dns"])
    called = [one for one in alarms.values() if one["MetricName"] == "HealthCheckStatus" and one.get("AlarmActions")]
    if not called or called[0]["TreatMissingData"] != "breaching":
        yield "nobody is called when the region is lost"
