"""The way in: load balancer, firewall, certificates, health checks and the records that fail over."""

from collections.abc import Iterator, Mapping
from typing import Any

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

from .templates import Template, Templates, of_type, only, regions


def check_load_balancer(templates: Templates, model: Topology) -> Iterator[str]:
    """One for a region, over the zones of the model, for the gateway's pods, with its log and by TLS alone."""
    for region, template in regions(templates, model, "edge"):
        balancer = only(template, "ElasticLoadBalancingV2::LoadBalancer")
        (drawn,) = region.load_balancers
        if len(balancer["Subnets"]) != len(drawn.zones) or balancer["Scheme"] != "internet-facing":
            yield f"{region.name}: the load balancer stands in {len(balancer['Subnets'])} subnets"
        attributes = {one["Key"]: one["Value"] for one in balancer["LoadBalancerAttributes"]}
        for name in ("access_logs.s3.enabled", "deletion_protection.enabled",
                     "routing.http.drop_invalid_header_fields.enabled"):  # fmt: skip
            if attributes.get(name) != "true":
                yield f"{region.name}: the load balancer has no {name}"
        targets = only(template, "ElasticLoadBalancingV2::TargetGroup")
        delay = {one["Key"]: one["Value"] for one in targets["TargetGroupAttributes"]}
        if delay != {"deregistration_delay.timeout_seconds": str(int(drawn.deregistration_delay_seconds))}:
            yield f"{region.name}: pods are sent to for {delay} after their end"
        if (targets["TargetType"], targets["Protocol"], targets["Port"]) != ("ip", "HTTPS", 8443):
            yield f"{region.name}: the gateway is spoken to by {targets['Protocol']} on {targets['Port']}"
        listeners = {one["Port"]: one for one in of_type(template, "ElasticLoadBalancingV2::Listener").values()}
        if listeners.keys() != {80, 443} or listeners[80]["DefaultActions"][0]["Type"] != "redirect":
            yield f"{region.name}: clients are answered on {sorted(listeners)}"
        if "TLS13-1-2" not in listeners[443].get("SslPolicy", "") or not listeners[443].get("Certificates"):
            yield f"{region.name}: clients may come with an old TLS"


def check_hosts(templates: Templates, model: Topology) -> Iterator[str]:
    """The public name leads to the gateway, the region's own to its readiness alone, any other nowhere."""
    for region, template in regions(templates, model, "edge"):
        listener = next(one for one in of_type(template, "ElasticLoadBalancingV2::Listener").values()
                        if one["Port"] == 443)  # fmt: skip
        if listener["DefaultActions"][0]["Type"] != "fixed-response":
            yield f"{region.name}: every host is let in"
        hosts = {}
        for rule in of_type(template, "ElasticLoadBalancingV2::ListenerRule").values():
            asked = {one["Field"]: one for one in rule["Conditions"]}
            paths = asked.get("path-pattern", {}).get("PathPatternConfig", {}).get("Values", ["*"])
            hosts[tuple(asked["host-header"]["HostHeaderConfig"]["Values"])] = (paths, bool(rule.get("Transforms")))
        own = f"{region.name}.{model.domain}"
        if hosts != {(model.domain,): (["*"], False), (own,): (["/readyz"], True)}:
            yield f"{region.name}: hosts lead to {hosts}"
        record = only(template, "Route53::RecordSet")
        if record["Name"] != f"{own}." or "Failover" in record:
            yield f"{region.name}: the region's own name is {record['Name']}"


def check_edge_groups(templates: Templates, model: Topology) -> Iterator[str]:
    """From the internet on two ports; from there to the gateway's two ports in the node subnets and nowhere else."""
    for region, template in regions(templates, model, "edge"):
        group = only(template, "EC2::SecurityGroup")
        if sorted(rule["FromPort"] for rule in group["SecurityGroupIngress"]) != [80, 443] or any(
            rule["FromPort"] != rule["ToPort"] for rule in group["SecurityGroupIngress"]
        ):
            yield f"{region.name}: the load balancer is open on {group['SecurityGroupIngress']}"
        nodes = {one.cidr for one in region.network.subnets if one.tier == "nodes"}
        out = {(rule["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupEgress"]}
        if out != {(cidr, port, port) for cidr in nodes for port in (8443, 15021)}:
            yield f"{region.name}: the load balancer reaches {sorted(out)}"
        inward = of_type(template, "EC2::SecurityGroupIngress").values()
        if sorted((rule["FromPort"], rule["ToPort"]) for rule in inward) != [(8443, 8443), (15021, 15021)] or any(
            "SourceSecurityGroupId" not in rule for rule in inward
        ):
            yield f"{region.name}: pods are reached on {list(inward)}"


def check_firewall(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's rule groups and limits, before the load balancer, logged without API keys."""
    assert model.edge is not None
    wanted = model.edge.firewall
    for region, template in regions(templates, model, "edge"):
        acl = only(template, "WAFv2::WebACL")
        groups, limits = [], {}
        for rule in sorted(acl["Rules"], key=lambda one: one["Priority"]):
            rate = rule["Statement"].get("RateBasedStatement")
            if rate is None:
                groups.append(rule["Statement"]["ManagedRuleGroupStatement"]["Name"])
                if rule.get("OverrideAction") != {"None": {}}:
                    yield f"{region.name}: {groups[-1]} only counts"
                continue
            header = [one["Header"]["Name"] for one in rate.get("CustomKeys", [])]
            limits[(rate["AggregateKeyType"], *header)] = (rate["Limit"], rate["EvaluationWindowSec"])
            if "Block" not in rule.get("Action", {}):
                yield f"{region.name}: {rule['Name']} lets through"
        if tuple(groups) != wanted.managed_rule_groups:
            yield f"{region.name}: the firewall has {groups}"
        if limits != {
            ("IP",): (wanted.requests_per_address, wanted.window_seconds),
            ("CUSTOM_KEYS", "authorization"): (wanted.requests_per_key, wanted.window_seconds),
        }:
            yield f"{region.name}: the firewall's limits are {limits}"
        if not of_type(template, "WAFv2::WebACLAssociation"):
            yield f"{region.name}: the firewall stands before nothing"
        yield from _firewall_log(region, template)


def _firewall_log(region: Region, template: Template) -> Iterator[str]:
    logged = list(of_type(template, "WAFv2::LoggingConfiguration").values())
    if not logged:
        yield f"{region.name}: the firewall keeps no log"
        return
    hidden = {one["SingleHeader"]["Name"] for one in logged[0].get("RedactedFields", [])}
    if not {"authorization", "cookie"} <= hidden:
        yield f"{region.name}: API keys stand in the firewall's log"
    names = [one["LogGroupName"] for one in of_type(template, "Logs::LogGroup").values()]
    if not any(name.startswith("aws-waf-logs-") for name in names):
        yield f"{region.name}: WAF cannot write to {names}"


def _healthy(name: str, checks: Mapping[str, Mapping[str, Any]], facts: Mapping[str, bool]) -> bool:
    """Return what Route 53 makes of a check when these facts hold: `answers REGION`, `writer REGION ALARM`."""
    one = checks[name]["HealthCheckConfig"]
    if one["Type"] == "HTTPS":
        found = facts[f"answers {one['FullyQualifiedDomainName'].split('.')[0]}"]
    elif one["Type"] == "CLOUDWATCH_METRIC":
        alarm = one["AlarmIdentifier"]
        found = facts[f"writer {alarm['Region']} {alarm['Name']}"]
    else:
        children = [_healthy(child["Fn::GetAtt"][0], checks, facts) for child in one["ChildHealthChecks"]]
        found = sum(children) >= one["HealthThreshold"]
    return found != bool(one.get("Inverted"))


def check_failover(templates: Templates, model: Topology) -> Iterator[str]:
    """For every combination of what can be true, the name leads where people can be served, and never to a copy."""
    secondary = model.secondary
    assert secondary is not None
    template = templates[f"{model.primary.name}/dns"]
    checks = of_type(template, "Route53::HealthCheck")
    records = {one.get("Failover"): one for one in of_type(template, "Route53::RecordSet").values()}
    if records.keys() != {"PRIMARY", "SECONDARY"}:
        yield f"the name has records {sorted(map(str, records))}"
        return
    for role, region in (("PRIMARY", model.primary), ("SECONDARY", secondary)):
        target = records[role]["AliasTarget"]["DNSName"]
        if (records[role]["Name"], target) != (f"{model.domain}.", f"{region.name}.{model.domain}."):
            yield f"{role} leads {records[role]['Name']} to {target}"
    alarms = {one["AlarmName"] for one in of_type(templates[f"{secondary.name}/edge"], "CloudWatch::Alarm").values()}
    writers = {f"writer {secondary.name} {alarm}" for alarm in alarms if "no-writer" in alarm}
    ids = {role: one["HealthCheckId"]["Fn::GetAtt"][0] for role, one in records.items()}
    answers = [f"answers {region.name}" for region in (model.primary, secondary)]
    for number in range(8):
        first, second, promoted = (bool(number & bit) for bit in (1, 2, 4))
        facts = {answers[0]: first, answers[1]: second, **dict.fromkeys(writers, promoted)}
        yield from _flip(ids, checks, facts, wanted=second and promoted)
    for missing in writers:
        facts = {answers[0]: False, answers[1]: True, **dict.fromkeys(writers, True), missing: False}
        yield from _flip(ids, checks, facts, wanted=False)


def _flip(
    ids: Mapping[str, str], checks: Mapping[str, Mapping[str, Any]], facts: Mapping[str, bool], *, wanted: bool
) -> Iterator[str]:
    try:
        primary, secondary = (_healthy(ids[role], checks, facts) for role in ("PRIMARY", "SECONDARY"))
    except KeyError as unknown:
        yield f"a health check asks for {unknown}"
        return
    # with neither healthy, Route 53 answers with the primary
    if (not primary and secondary) != wanted:
        yield f"with {sorted(name for name, holds in facts.items() if holds)} DNS {'stays' if wanted else 'flips'}"


def check_health_checks(templates: Templates, model: Topology) -> Iterator[str]:
    """As often as the model says, by the region's own name, and unhealthy without data."""
    assert model.edge is not None
    asked = model.edge.health_checks
    checks = [one["HealthCheckConfig"] for one in
              of_type(templates[f"{model.primary.name}/dns"], "Route53::HealthCheck").values()]  # fmt: skip
    endpoints = {one["FullyQualifiedDomainName"]: one for one in checks if one["Type"] == "HTTPS"}
    if endpoints.keys() != {f"{region.name}.{model.domain}" for region in model.regions}:
        yield f"Route 53 asks {sorted(endpoints)}"
    for name, one in endpoints.items():
        found = (one["ResourcePath"], one["RequestInterval"], one["FailureThreshold"], one["Port"])
        if found != ("/readyz", asked.interval_seconds, asked.failure_threshold, 443):
            yield f"Route 53 asks {name} by {found}"
    for one in checks:
        if one["Type"] == "CLOUDWATCH_METRIC" and one.get("InsufficientDataHealthStatus") != "Unhealthy":
            yield f"{one['AlarmIdentifier']['Name']} is healthy when nothing is known"


def check_promotion_alarms(templates: Templates, model: Topology) -> Iterator[str]:
    """One for the control database and each shared cluster, in alarm also when there is no data."""
    for region, template in regions(templates, model, "edge"):
        should = {name for tier in region.aurora if tier.tier != "dedicated" for name in _names(tier)}
        found = {}
        for one in of_type(template, "CloudWatch::Alarm").values():
            if "no-writer" in one["AlarmName"]:
                found[next(part["Value"] for part in one["Dimensions"] if part["Name"] == "DBClusterIdentifier")] = one
        if found.keys() != should:
            yield f"{region.name}: the writers of {sorted(found.keys() ^ should)}"
        for name, one in found.items():
            role = {part["Name"]: part["Value"] for part in one["Dimensions"]}.get("Role")
            if one["TreatMissingData"] != "breaching" or role != "WRITER":
                yield f"{region.name}: {name} counts as promoted while nobody writes"


def _names(tier: Any) -> Iterator[str]:
    for number in range(1, tier.clusters + 1):
        yield "bezant-control" if tier.tier == "control" else f"bezant-{tier.tier}-{number}"
