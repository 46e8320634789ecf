"""Each known defect of the architecture document is found by a named rule, with the numbers that show it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bezant.topology.assumptions import Assumptions, assume
from bezant.topology.model.deployment import Topology
from bezant.topology.rules.registry import ALL_RULES, check
from bezant.topology.rules.rule import Deployment

DEFECTS: list[tuple[str, tuple[str, ...]]] = [
    ("node-count-contradiction", ("= 12", "= 30")),
    ("placement-zone-loss", ("29.1 vCPU", "= 25.5", "leaves 17.0", "17.7 vCPU")),
    ("placement-canary", ("21.3 vCPU", "13.2 vCPU", "= 10.9")),
    ("placement-autoscaled", ("32.1 vCPU",)),
    ("placement-update", ("pending",)),
    ("zone-anti-affinity", ("6 replicas - 3 zones = 3 pending",)),
    ("update-deadlock", ("maxSurge 1, maxUnavailable 0", "required anti-affinity")),
    ("connections-idle", ("27 processes × 2 × 100 tenants = 5,400", "never above 5,000")),
    ("tenants-placed-twice", ("100 + 100",)),
    ("quota-aurora-clusters", ("100 > 40",)),
    ("quota-aurora-instances", ("300 > 40",)),
    ("writers-in-one-zone", ("100 of 100 writers stand in us-east-1a",)),
    ("subnet-addresses", ("251", "254", "426")),
    ("grace-shorter-than-deregistration", ("30 s", "300 s")),
    ("disruption-budget-missing", ("7 of 7",)),
    ("hpa-target-unstated", ("56.7 to 61.8 %",)),
    ("hpa-story", ("12 replicas at 35 % lead to 7 or 8, not to 6",)),
    ("hpa-memory-ratchet", ("(1 + 1) × 50 / 80 = 1.25 > 1",)),
    ("canary-underpowered", ("797", "1,139")),
    ("canary-false-abort", ("60 judgements",)),
    ("canary-threshold-undefined", ("exactly 1 % does neither", "96.04 % relative")),
    ("canary-duration", ("4 to 4.2 hours follow, 4-6 are stated",)),
    ("rolling-update-duration", ("12-18 minutes follow, 10-15 are stated",)),
    ("load-balancer-per-zone", ("3 load balancers",)),
    ("region-without-network", ("sa-east-1",)),
    ("secret-count", ("onboarding never writes tenant_{id}_db_user", "3 keys drawn, 2 written", "500 secrets")),
    ("topic-reaches-one-instance", ("7 of 27 pods",)),
    ("valkey-replica-zone", ("us-east-1a",)),
    ("recovery-unmeasured", ("RTO 60 min, RPO 5 min",)),
    ("recovery-time", ("scale_out",)),
    ("recovery-point", ("kafka: not mentioned",)),
    ("dns-before-promotion", ("detect, switch_dns, promote_database",)),
    ("kafka-missing", ("tenant.created",)),
    ("bill-section", ("496, not 3,600",)),
    ("bill-total", ("= 20,776", "Secrets and KMS")),
    ("bill-partial-usage", ("44,895",)),
    ("bill-list-price", ("0.182", "0.206")),
    ("bill-discounts-overlap", ("already took",)),
    ("bill-omits", ("Brokers", "sa-east-1", "Node volumes", "I/O requests")),
]


@pytest.mark.parametrize(("rule", "numbers"), DEFECTS, ids=[rule for rule, _ in DEFECTS])
def test_the_defect_is_found_with_its_numbers(documented: Topology, rule: str, numbers: tuple[str, ...]) -> None:
    findings = ALL_RULES[rule].findings(Deployment(documented))
    said = "\n".join("\n".join((finding.summary, *finding.arithmetic)) for finding in findings)
    for number in numbers:
        assert number in said


def test_pools_of_a_dedicated_cluster_are_no_defect(documented: Topology) -> None:
    """27 x 20 = 540 connections fit about 1,800: the document's own arithmetic holds there."""
    findings = ALL_RULES["connections-busy"].findings(Deployment(documented))
    assert findings == []


def test_canary_pods_are_no_defect(documented: Topology) -> None:
    """1, 2, 3, 6 pods are ceil(6 x weight)."""
    assert ALL_RULES["canary-pods-short"].findings(Deployment(documented)) == []


def test_errors_come_first_and_every_finding_is_complete(documented: Topology) -> None:
    findings = check(documented)
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=lambda severity: severity != "error")
    for finding in findings:
        assert finding.place
        assert finding.summary
        assert finding.correction
        assert all(finding.arithmetic)


def test_a_changed_assumption_changes_the_finding(documented: Topology) -> None:
    """Without sidecars and daemonsets, the pods of a lost zone's services fit by CPU, except fraud's."""
    light = assume({"sidecar_cpu_millicores": "0", "daemonset_cpu_millicores": "0"})
    heavy = ALL_RULES["placement-zone-loss"].findings(Deployment(documented))
    lighter = ALL_RULES["placement-zone-loss"].findings(Deployment(documented, light))
    assert "less 0.3" in heavy[0].arithmetic[0]
    assert not lighter or "less 0 of daemonsets" in lighter[0].arithmetic[0]


def test_every_rule_finds_something_somewhere(documented: Topology) -> None:
    """No rule is dead: `as_documented` breaks it, or a mutation that a test names does."""
    tables = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    found = {finding.rule for finding in check(documented)}
    assert [name for name in ALL_RULES if name not in found and f'"{name}"' not in tables] == []


def rule_speaks(name: str, topology: Topology, assumptions: Assumptions | None = None) -> bool:
    return bool(ALL_RULES[name].findings(Deployment(topology, assumptions)))


def test_a_service_that_outgrows_the_nodes_is_found_on_a_usual_day(with_changes: Callable[..., Topology]) -> None:
    assert rule_speaks("placement-usual-day", with_changes({"services[audit].replicas": 60}))


def test_a_stated_amount_that_is_not_its_product_is_found(with_changes: Callable[..., Topology]) -> None:
    line = "statements.bill.sections[Kubernetes control plane].lines[EKS clusters].stated"
    assert not rule_speaks("bill-line", with_changes({line: 150}, "as_documented"))
    assert rule_speaks("bill-line", with_changes({line: 152}, "as_documented"))


def test_a_zone_without_a_node_subnet_is_found(production: Topology, with_changes: Callable[..., Topology]) -> None:
    subnets = production.model_dump(mode="json")["regions"][0]["network"]["subnets"]
    kept = [one for one in subnets if (one["tier"], one["zone"]) != ("nodes", "us-east-1b")]
    assert rule_speaks("subnet-missing", with_changes({"regions[us-east-1].network.subnets": kept}))


def test_more_gateways_than_addresses_are_found(production: Topology) -> None:
    assert not rule_speaks("quota-elastic-addresses", production, assume({"quota_elastic_addresses": "3"}))
    assert rule_speaks("quota-elastic-addresses", production, assume({"quota_elastic_addresses": "2"}))


def test_two_zones_are_too_few(production: Topology) -> None:
    region = production.primary.model_copy(update={"availability_zones": ("us-east-1a", "us-east-1b")})
    narrow = production.model_copy(update={"regions": (region, *production.regions[1:])})
    assert rule_speaks("zones-too-few", narrow)
