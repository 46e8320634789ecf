"""The stacks are the model's: every check finds nothing, and each change for the worse makes one of them speak."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from infrastructure.app import build

from bezant.topology.errors import NotStated
from bezant.topology.loading import load_model, topology_of
from bezant.topology.model.deployment import Topology

from .checks import CHECKS
from .checks.templates import COUNTS, PARTS, Templates
from .mutations import MUTATIONS

Make = Callable[[], Templates]
ACCEPTED_LINT = {"W3010": "the model names the zones: subnets, node groups and writers are spread over them on purpose"}


@pytest.mark.parametrize("check", CHECKS)
def test_the_check_finds_nothing(check: str, templates: Make, model: Topology) -> None:
    assert list(CHECKS[check](templates(), model)) == []


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_change_for_the_worse_is_noticed(mutation: str, templates: Make, model: Topology) -> None:
    made = templates()
    MUTATIONS[mutation](made)
    assert made != templates(), "nothing was changed"
    assert any(True for check in CHECKS.values() for _ in check(made, model))
    COUNTS["mutations"] = f"{len(MUTATIONS)} changes for the worse, each noticed by one of {len(CHECKS)} checks"


def test_nothing_is_looked_up_in_an_account(assembly: Path) -> None:
    manifest = json.loads((assembly / "manifest.json").read_text("utf-8"))
    assert "missing" not in manifest
    stacks = [one for one in manifest["artifacts"].values() if one["type"] == "aws:cloudformation:stack"]
    assert len(stacks) == len(PARTS) * 2 + 1
    resources = sum(len(json.loads(path.read_text("utf-8"))["Resources"]) for path in assembly.glob("*.template.json"))
    COUNTS["cdk synth"] = f"{len(stacks)} stacks in 2 regions, {resources} resources, nothing looked up"


def test_a_second_synthesis_is_the_same(assembly: Path, tmp_path: Path) -> None:
    """In another process, in which sets have another order."""
    environment = {**os.environ, "CDK_OUTDIR": str(tmp_path / "again"), "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-m", "infrastructure.app"]
    subprocess.run(command, env=environment, capture_output=True, check=True, timeout=300)
    first = {path.name: path.read_bytes() for path in assembly.glob("*.template.json")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").glob("*.template.json")} == first


def test_cfn_lint_finds_nothing_but_what_is_accepted(assembly: Path) -> None:
    paths = sorted(str(path) for path in assembly.glob("*.template.json"))
    command = [str(Path(sys.executable).parent / "cfn-lint"), "--format", "json", *paths]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    found = json.loads(result.stdout or "[]")
    assert [one for one in found if one["Rule"]["Id"] not in ACCEPTED_LINT] == []
    assert {one["Rule"]["Id"] for one in found} == ACCEPTED_LINT.keys()
    COUNTS["cfn-lint"] = f"{len(paths)} templates, {len(found)} accepted, 0 others"


def test_checkov_finds_nothing_but_what_is_accepted(assembly: Path) -> None:
    checkov = Path(__file__).parents[2] / ".venv" / "chart-tools" / "checkov" / "bin" / "checkov"
    command = [str(checkov), "-d", str(assembly), "--framework", "cloudformation", "-o", "json", "--skip-download"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    report = json.loads(result.stdout)
    assert [(one["check_id"], one["resource"]) for one in report["results"]["failed_checks"]] == []
    assert report["summary"]["parsing_errors"] == 0
    COUNTS["checkov"] = f"{report['summary']['passed']} passed, {report['summary']['skipped']} accepted, 0 others"


def test_a_model_that_leaves_things_open_makes_no_stacks(tmp_path: Path) -> None:
    with pytest.raises(NotStated, match="the stacks cannot be made from as_documented") as refused:
        build(load_model("as_documented"), outdir=str(tmp_path / "out"))
    assert "regions[sa-east-1].network.cidr" in refused.value.places
    assert "regions[us-east-1].cluster.version" in refused.value.places
    assert "regions[us-east-1].valkey.engine_version" in refused.value.places


def test_a_way_to_the_other_region_that_the_stacks_do_not_make_is_not_left_out_in_silence(tmp_path: Path) -> None:
    document: Any = load_model("production").model_dump(mode="json")
    for one in document["recovery"]["stores"]:
        if one["store"] == "aurora":
            one["method"] = "read_replica"
    with pytest.raises(NotStated) as refused:
        build(topology_of(document, source="changed"), outdir=str(tmp_path / "out"))
    assert refused.value.places == ["recovery.stores[aurora].method (the stacks make global_database)"]
