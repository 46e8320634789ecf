"""The runbooks say what is installed: the canary's tables, files, names, and commands that this version has."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from bezant.cli.main import app

from .rendering import GITOPS, ROOT, SERVICES, Manifests

RUNBOOKS = sorted((ROOT / "docs" / "operations").glob("*.md"))
ROLLOUT = (ROOT / "docs" / "operations" / "rollout.md").read_text("utf-8")


def _rows(text: str, header: str) -> list[list[str]]:
    lines = text[text.index(header) :].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("service", ["payment", "fraud"])
def test_the_table_of_the_canary_is_the_rendered_one(service: str) -> None:
    steps = Manifests.of("us-east-1 active").get("Rollout", service)["spec"]["strategy"]["canary"]["steps"]
    rows = _rows(ROLLOUT, "| document: step |")
    weights = [one["setWeight"] for one in steps if "setWeight" in one]
    pauses = [one["pause"]["duration"] for one in steps if "pause" in one]
    assert [(int(row[2]), row[4]) for row in rows] == list(zip(weights, pauses, strict=True))
    # beside it, what the architecture document says of the same steps
    assert [(row[0], row[1]) for row in rows] == [("10 %", "1"), ("25 %", "2"), ("50 %", "3"), ("100 %", "6")]
    assert [row[1] for row in rows] == [row[3] for row in rows]


def test_the_table_of_the_limits_is_the_rendered_one() -> None:
    metrics = Manifests.of("us-east-1 active").get("AnalysisTemplate", "payment-canary")["spec"]["metrics"]
    conditions = [one["successCondition"] for one in metrics if one["name"] != "collapse"]
    rows = _rows(ROLLOUT, "| document: rolled back when |")
    assert [f"len(result) == 0 || {row[2].strip('`')}" for row in rows] == conditions
    assert all(row[3].startswith("800") for row in rows)


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.name)
def test_what_a_runbook_names_is_there(path: Path) -> None:
    text = path.read_text("utf-8")
    for link, anchor in re.findall(r"\]\(([\w./-]+\.md)(?:#([\w-]+))?\)", text):
        target = (path.parent / link).resolve()
        assert target.is_file(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}, link
    for file in re.findall(
        r"\b((?:gitops|charts|src|tests)/[\w./-]+\.(?:yaml|py))", text.replace("REGION", "us-east-1")
    ):
        assert (ROOT / file).is_file(), file
    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), target


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.name)
def test_objects_and_commands_in_a_runbook_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    manifests = Manifests.of("us-east-1 active")
    kinds = {"deploy": "Deployment", "job": "Job", "externalsecret": "ExternalSecret", "hpa": "HorizontalPodAutoscaler",
             "targetgroupbinding": "TargetGroupBinding"}  # fmt: skip
    for kind, name in re.findall(
        r"\b(deploy|job|externalsecret|hpa|targetgroupbinding)[/ ]([a-z]+(?:-[a-z]+)*)\b", text
    ):
        if name not in ("and", "for", "in", "is", "can", "n", "of", "the") and f"{kind},{name}" not in text:
            manifests.get(kinds[kind], name)
    for kind, name in re.findall(r"app\.kubernetes\.io/(name)=([a-z]+)", text):
        assert name in SERVICES, (kind, name)
    commands = get_command(app)
    for words in re.findall(r"(?:^|`|/)bezant ((?:[a-z][a-z-]+ ?)+)", text, re.MULTILINE):
        first = words.split()[0]
        if first in ("charts",):
            continue
        assert commands.get_command(None, first) is not None, words  # type: ignore[attr-defined]


def test_the_promotion_of_the_runbook_changes_the_one_value() -> None:
    text = (ROOT / "docs" / "operations" / "failover.md").read_text("utf-8")
    (pattern, replacement) = re.findall(r"sed -i 's/(.+?)/(.+?)/' gitops/regions/sa-east-1\.yaml", text)[0]
    before = (GITOPS / "regions" / "sa-east-1.yaml").read_text("utf-8")
    after = re.sub(pattern, replacement, before, flags=re.MULTILINE)
    assert [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new] == [
        ("mode: standby", "mode: active")
    ]
