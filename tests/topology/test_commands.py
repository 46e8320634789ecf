"""The commands as a user runs them: output, exit codes, files, and messages for what cannot work."""

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

import bezant
from bezant.cli import cost, topology
from bezant.topology.loading import dump_topology, load_model

runner = CliRunner()


def run(app: object, *arguments: str) -> tuple[int, str]:
    result = runner.invoke(app, list(arguments))  # type: ignore[arg-type]
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_check_exits_0_on_production_and_1_on_as_documented() -> None:
    code, said = run(topology.app, "check", "--model", "production")
    assert code == 0
    assert "rules are kept" in said
    code, said = run(topology.app, "check", "--model", "as_documented")
    assert code == 1
    assert "placement-zone-loss" in said
    assert "bill-total" in said


def test_check_in_json_has_every_finding_with_its_arithmetic() -> None:
    code, said = run(topology.app, "check", "-m", "as_documented", "--json")
    document = json.loads(said)
    assert code == 1
    assert document["errors"] + document["warnings"] == len(document["findings"])
    assert all(finding["arithmetic"] and finding["correction"] for finding in document["findings"])
    assert document["assumptions"]["sidecar_cpu_millicores"] == 100


def test_one_rule_and_changed_assumptions() -> None:
    code, said = run(topology.app, "check", "-m", "as_documented", "--rule", "quota-aurora-clusters")
    assert code == 1
    assert "bill" not in said
    arguments = ("-m", "as_documented", "--rule", "quota-aurora-clusters", "--assume", "quota_aurora_clusters=100")
    assert run(topology.app, "check", *arguments)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--assume", "nonsense=1"), ("--assume", "power_percent=140"), ("--assume", "power_percent"),
        ("--rule", "no-such-rule"), ("--model", "no-such-file.yaml"), ("--model", "/"),
    ],
)  # fmt: skip
def test_what_check_cannot_do_is_a_message_and_exit_2(arguments: tuple[str, ...]) -> None:
    assert run(topology.app, "check", *arguments)[0] == 2


def test_a_teams_own_file_is_checked_and_refused_like_the_models(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    text = dump_topology(load_model("production"))
    mine.write_text(text, "utf-8")
    assert run(topology.app, "check", "-m", str(mine))[0] == 0
    mine.write_text(text.replace("nodes_per_zone: 2", "nodes_per_zone: 1", 1), "utf-8")
    assert run(topology.app, "check", "-m", str(mine))[0] == 1
    mine.write_text(text.replace("weight: 100", "weight: 140", 1), "utf-8")
    code, said = run(topology.app, "check", "-m", str(mine), "--json")
    assert code == 2
    (violation,) = json.loads(said)["violations"]
    assert violation["rule"] == "percentage-out-of-range"
    assert violation["place"].endswith("canary.steps[3].weight")
    assert "140" in violation["detail"]
    mine.write_bytes(b"\xff\xfe\x00")
    assert run(topology.app, "check", "-m", str(mine))[0] == 2


def test_show_prints_every_service_and_subnet() -> None:
    code, said = run(topology.app, "show")
    assert code == 0
    for word in ("payment", "10.0.32.0/20", "sa-east-1c", "db.r6g.xlarge", "RTO 60 min"):
        assert word in said
    assert json.loads(run(topology.app, "show", "--json")[1])["tenants"] == 100


@pytest.mark.parametrize("model", ["as_documented", "production"])
def test_the_picture_is_svg_with_every_zone_and_pod(tmp_path: Path, model: str) -> None:
    picture = tmp_path / "picture.svg"
    assert run(topology.app, "show", "-m", model, "--svg", str(picture))[0] == 0
    root = ElementTree.fromstring(picture.read_text("utf-8"))
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for zone in load_model(model).primary.availability_zones:
        assert zone in texts
    assert ("6 pods pending: 3 of payment, 3 of fraud" in texts) == (model == "as_documented")
    # a chip for each pod that has a node, and one in the legend
    assert texts.count("pay") == (3 if model == "as_documented" else 6) + 1


def test_nothing_in_a_picture_leaves_the_paper(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    for arguments in (("show", "--svg"), ("show", "-m", "as_documented", "--svg")):
        run(topology.app, *arguments, str(picture))
        root = ElementTree.fromstring(picture.read_text("utf-8"))
        width, height = float(root.get("width", 0)), float(root.get("height", 0))
        for box in root.iter("{http://www.w3.org/2000/svg}rect"):
            assert float(box.get("x", 0)) + float(box.get("width", 0)) <= width
            assert float(box.get("y", 0)) + float(box.get("height", 0)) <= height


def test_a_file_that_cannot_be_written_is_a_message(tmp_path: Path) -> None:
    assert run(topology.app, "show", "--svg", str(tmp_path / "no" / "where.svg"))[0] == 2


def test_diff_names_the_rule_that_explains_a_difference() -> None:
    code, said = run(topology.app, "diff", "as_documented", "production", "--json")
    assert code == 1
    by_place = {one["place"]: one for one in json.loads(said)["differences"]}
    grace = by_place["services[payment].termination_grace_seconds"]
    assert (grace["left"], grace["right"]) == (30.0, 60.0)
    assert grace["rules"] == ["grace-shorter-than-deregistration"]
    assert "subnet-addresses" in by_place["regions[us-east-1].network.subnets[nodes us-east-1a].cidr"]["rules"]
    assert run(topology.app, "diff", "production", "production")[0] == 0


def test_rules_schema_and_dump(tmp_path: Path) -> None:
    listed = json.loads(run(topology.app, "rules", "--json")[1])
    assert all(rule["reason"] and rule["source"] for rule in listed["rules"])
    assert "cidr-overlap" in listed["refusals"]
    assert run(topology.app, "rules")[0] == 0
    assert json.loads(run(topology.app, "schema")[1])["title"] == "Bezant topology"
    assert run(topology.app, "dump", "-m", "production", "-o", str(tmp_path / "mine.yaml"))[0] == 0
    assert run(topology.app, "check", "-m", str(tmp_path / "mine.yaml"))[0] == 0


def test_cost_says_what_does_not_add_up() -> None:
    code, said = run(cost.app)
    assert code == 0
    for words in ("$20,546", "$3,600", "unknown", "bill-total", "44,895", "a thousand payments"):
        assert words in said


def test_cost_in_json_and_csv_agree(tmp_path: Path) -> None:
    document = json.loads(run(cost.app, "--json")[1])
    lines = list(csv.DictReader(io.StringIO(run(cost.app, "--csv")[1])))
    assert len(lines) == len(document["lines"])
    assert sum(float(line["amount_high"]) for line in lines) == pytest.approx(document["total"]["high"], abs=1)
    unknown = list(csv.DictReader(io.StringIO(run(cost.app, "-m", "as_documented", "--csv")[1])))
    assert {line["amount_low"] for line in unknown if line["key"] == "kafka.brokers"} == {"unknown"}


@pytest.mark.parametrize(
    "arguments",
    [("--tenants", "250"), ("--spot", "40"), ("--reserved", "60"), ("--tier", "dedicated"), ("--region", "eu-west-1")],
)
def test_every_what_if_changes_the_total(arguments: tuple[str, ...]) -> None:
    plain = json.loads(run(cost.app, "--json")[1])["total"]
    code, said = run(cost.app, *arguments, "--json")
    assert code == 0
    document = json.loads(said)
    assert document["total"] != plain
    assert document["what_if"]


@pytest.mark.parametrize(
    "arguments",
    [("--tenants", "0"), ("--spot", "140"), ("--spot", "60", "--reserved", "60"), ("--tier", "gold"),
     ("--region", "mars-1"), ("--model", "none"), ("--json", "--csv")],
)  # fmt: skip
def test_what_cost_cannot_do_is_exit_2(arguments: tuple[str, ...]) -> None:
    assert run(cost.app, *arguments)[0] == 2


def test_the_chart_is_svg(tmp_path: Path) -> None:
    chart = tmp_path / "cost.svg"
    assert run(cost.app, "--svg", str(chart))[0] == 0
    ElementTree.fromstring(chart.read_text("utf-8"))


def test_what_is_stated_and_not_measured_is_said_with_the_rules_that_believe_it(tmp_path: Path) -> None:
    code, said = run(topology.app, "check", "--json")
    stated = json.loads(said)["stated"]
    assert code == 0
    assert {"recovery-unmeasured", "recovery-time", "recovery-point", "encryption-missing"} <= stated.keys()
    assert "detect" in stated["recovery-time"]
    _, said = run(topology.app, "check")
    assert "stated, not measured: recovery-time: planned, never measured: detect" in said


def test_a_drills_measurements_take_the_place_of_what_was_planned(tmp_path: Path) -> None:
    production = Path(bezant.__file__).parent / "topology" / "data" / "production.yaml"
    text = production.read_text("utf-8").replace("minutes: 5}", "minutes: 5, measured_minutes: 50}")
    text = re.sub(r"(name: (?:decide|scale_out|verify|switch_dns), minutes: \d+)", r"\1, measured_minutes: 1", text)
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    code, said = run(topology.app, "check", "-m", str(mine), "--json", "--rule", "recovery-time")
    document = json.loads(said)
    assert code == 1, "what was measured is longer than what was planned"
    assert document["stated"] == {}
    assert "detect 50" in str(document["findings"])
