"""A file that cannot be a deployment is refused with the rule's name, the place and the numbers."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from bezant.topology.errors import TopologyInvalid
from bezant.topology.loading import MODELS, dump_topology, json_schema, load_model, parse_topology
from bezant.topology.structure import REFUSALS

P = "regions[us-east-1]"
REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    ({f"{P}.network.subnets[public us-east-1b].cidr": "10.0.1.128/25"}, "cidr-overlap", "public us-east-1b", "128"),
    ({f"{P}.network.subnets[public us-east-1b].cidr": "10.5.2.0/24"}, "subnet-outside-vpc", "us-east-1b", "10.5"),
    ({f"{P}.network.subnets[public us-east-1b].cidr": "10.0.2.1/24"}, "cidr-malformed", "cidr", "10.0.2.1/24"),
    ({f"{P}.network.subnets[public us-east-1b].cidr": "ten"}, "cidr-malformed", "cidr", "ten"),
    ({"regions[sa-east-1].network.cidr": "10.0.0.0/8"}, "cidr-overlap", "regions[sa-east-1].network.cidr", "peered"),
    ({"services[fraud].cpu_millicores": 64_000}, "service-fits-no-node-group", "services[fraud]", "64.1 vCPU"),
    ({"services[fraud].canary.steps[3].weight": 99.9}, "canary-incomplete", "services[fraud].canary.steps", "99.9 %"),
    ({"services[fraud].canary.steps": []}, "canary-incomplete", "services[fraud].canary.steps", "no steps"),
    ({"services[fraud].canary.steps[3].weight": 140}, "percentage-out-of-range", "steps[3].weight", "140"),
    ({"services[fraud].canary.steps[3].weight": -1}, "percentage-out-of-range", "steps[3].weight", "-1"),
    ({f"{P}.availability_zones": []}, "region-without-zones", P, "0"),
    ({f"{P}.network.nat_gateway_zones": ["eu-west-1a"]}, "unknown-zone", "nat_gateway_zones", "eu-west-1a"),
    ({"services[payment].calls": ["paymnt"]}, "unknown-service", "services[payment].calls", "paymnt"),
    ({"services[payment].placement.node_group": "gpu"}, "unknown-node-group", "services[payment]", "gpu"),
    ({f"{P}.cluster.node_groups[general].instance_type": "m9.huge"}, "unknown-instance-type", "general", "m9.huge"),
    ({"services[fraud].name": "payment"}, "name-repeated", "services", "2 times"),
    ({"services[fraud].autoscaling.max_replicas": 4}, "autoscaling-range", "services[fraud].autoscaling", "6 to 4"),
    ({"regions[sa-east-1].role": "primary"}, "regions-incomplete", "regions", "2 primary"),
    ({"services[fraud].replicas": "six"}, "invalid-value", "services[fraud].replicas", "six"),
    ({"services[fraud].replicas": 2.5}, "invalid-value", "services[fraud].replicas", "2.5"),
    ({"services[fraud].replicas": 0}, "invalid-value", "services[fraud].replicas", "0"),
    ({"services[fraud].replicas": True}, "invalid-value", "services[fraud].replicas", "True"),
    ({"recovery.rpo_minutes": float("nan")}, "invalid-value", "recovery.rpo_minutes", "nan"),
    ({"recovery.rpo_minutes": float("inf")}, "invalid-value", "recovery.rpo_minutes", "inf"),
    ({"statements.rolling_update_minutes.low": 99}, "range-reversed", "rolling_update_minutes", "99"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "rule", "place", "numbers"), REFUSED, ids=[f"{r[1]}:{next(iter(r[0]))}" for r in REFUSED]
)
def test_refused_by_name_place_and_numbers(
    refusals: Callable[..., list[Any]], changes: dict[str, Any], rule: str, place: str, numbers: str
) -> None:
    violations = [violation for violation in refusals(changes) if violation.rule == rule]
    assert violations
    assert any(place in violation.place and numbers in violation.detail for violation in violations), violations


def production_text() -> str:
    return dump_topology(load_model("production"))


def refused(text: str) -> list[Any]:
    with pytest.raises(TopologyInvalid) as caught:
        parse_topology(text, source="mine.yaml")
    assert "mine.yaml is refused" in str(caught.value)
    return caught.value.violations


def test_an_unknown_key_is_refused_where_it_stands() -> None:
    text = production_text().replace("  replicas: 6\n", "  replicas: 6\n  replica: 6\n", 1)
    assert [(v.rule, v.place) for v in refused(text)] == [("unknown-key", "services[payment].replica")]


def test_a_key_that_stands_twice_is_refused() -> None:
    text = production_text().replace("  replicas: 6\n", "  replicas: 6\n  replicas: 7\n", 1)
    (violation,) = refused(text)
    assert violation.rule == "yaml-malformed"
    assert "'replicas'" in violation.detail
    assert "line" in violation.detail


def test_a_missing_key_is_refused() -> None:
    text = production_text().replace("tenants: 100\n", "", 1)
    assert [(v.rule, v.place) for v in refused(text)] == [("missing-key", "tenants")]


@pytest.mark.parametrize(
    "text", ["", "just text", "- a list", "a: [", "\x00", "a: &x [*x]", "!!python/object:os.system {}"]
)
def test_what_is_no_topology_is_refused_without_a_traceback(text: str) -> None:
    assert refused(text)


def test_every_violation_is_told_at_once(refusals: Callable[..., list[Any]]) -> None:
    found = {
        violation.rule
        for violation in refusals({
            f"{P}.network.subnets[public us-east-1b].cidr": "10.5.2.0/24",
            "services[fraud].canary.steps[3].weight": 90,
            "services[payment].calls": ["nobody"],
        })
    }  # fmt: skip
    assert {"subnet-outside-vpc", "canary-incomplete", "unknown-service"} <= found


def test_adjacent_subnets_are_accepted(with_changes: Callable[..., Any]) -> None:
    with_changes({f"{P}.network.subnets[public us-east-1b].cidr": "10.0.2.0/25"})
    with_changes({f"{P}.network.subnets[public us-east-1b].cidr": "10.0.255.0/24"})


@pytest.mark.parametrize("model", MODELS)
def test_models_survive_dump_and_parse(model: str) -> None:
    topology = load_model(model)
    assert parse_topology(dump_topology(topology), source=model) == topology


def test_the_schema_in_the_package_is_the_schema_of_the_model() -> None:
    """`bezant topology schema -o src/bezant/topology/data/topology.schema.json` writes it anew."""
    stored = files("bezant.topology").joinpath("data/topology.schema.json").read_text("utf-8")
    assert stored == json_schema()


def test_the_document_of_the_rules_is_what_the_rules_say() -> None:
    """`bezant topology rules --markdown > docs/topology/rules.md` writes it anew."""
    from pathlib import Path

    from bezant.topology.rules.document import rules_document

    stored = Path(__file__).parents[2] / "docs" / "topology" / "rules.md"
    assert stored.read_text("utf-8") == rules_document()


def test_every_refusal_is_described() -> None:
    from pathlib import Path

    import bezant.topology

    source = "".join(path.read_text("utf-8") for path in Path(bezant.topology.__file__).parent.rglob("*.py"))
    assert all(f'"{name}"' in source for name in REFUSALS)
    assert {rule for _, rule, _, _ in REFUSED} <= set(REFUSALS)
