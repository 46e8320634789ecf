"""The story of the deployment model, carried out by the autoscaler's own algorithm."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bezant.cli.main import app
from bezant.rehearsal.autoscaling.horizontal import Policy, Select
from bezant.rehearsal.autoscaling.report import rehearse_autoscaling
from bezant.rehearsal.autoscaling.story import declared, explaining_targets, rehearse_canary, rehearse_story
from bezant.rehearsal.report.document import from_json
from bezant.topology.loading import load_model
from bezant.topology.model.delivery import Autoscaling, Canary


def _payment(model: str) -> tuple[Autoscaling, Canary]:
    service = next(one for one in load_model(model).services if one.name == "payment")  # type: ignore[arg-type]
    assert service.autoscaling is not None
    assert service.canary is not None
    return service.autoscaling, service.canary


def test_the_production_models_story_is_what_happens() -> None:
    scaling, _ = _payment("production")
    assert scaling.cpu_target is not None
    story = rehearse_story(scaling, scaling.cpu_target)
    assert [(one.began_with, one.reached) for one in story.outcomes] == [(6, 8), (8, 12), (12, 7)]
    assert [one.decided_after_seconds for one in story.outcomes] == [15, 15, 600]
    assert [moment.replicas for moment in story.timeline] == [6, 8, 12, 7]


def test_the_autoscaler_that_is_rehearsed_is_the_charts() -> None:
    scaling, _ = _payment("production")
    chart = (Path(__file__).parents[2] / "charts/bezant/templates/services/scaling.yaml").read_text()
    up, down = (chart.split(f"    {direction}:")[1] for direction in ("scaleUp", "scaleDown"))
    policy = re.compile(r"- \{type: (Percent|Pods), value: (\d+), periodSeconds: (\d+)\}")
    rehearsed = declared(scaling, 60)
    for text, direction in ((up.split("scaleDown:")[0], rehearsed.scale_up), (down, rehearsed.scale_down)):
        stated = [Policy(int(value), kind == "Percent", int(period)) for kind, value, period in policy.findall(text)]
        assert stated == list(direction.policies)
        assert direction.select is Select.MAX
    assert "selectPolicy: Max" in up
    assert "selectPolicy" not in down, "Max by default"
    assert "stabilizationWindowSeconds: 0\n" in up


def test_the_documents_steps_up_need_57_to_61_percent_and_its_step_down_is_never_reached() -> None:
    scaling, _ = _payment("as_documented")
    assert list(explaining_targets(scaling)) == [57, 58, 59, 60, 61]
    reached = {rehearse_story(scaling, target).outcomes[-1].reached for target in explaining_targets(scaling)}
    assert reached == {7, 8}, "never 6"


@pytest.mark.parametrize(("utilisation", "climbs"), [(35, []), (50, [100.0]), (68, [25.0, 50.0, 100.0])])
def test_a_memory_metric_ratchets_where_the_arithmetic_says(utilisation: float, climbs: list[float]) -> None:
    scaling, canary = _payment("as_documented")
    steps = list(rehearse_canary(scaling, canary, utilisation=utilisation, target=80))
    assert [step.weight for step in steps if step.ratio > 1] == climbs
    for step in steps:
        if step.is_ratchet:
            assert step.ratio > 1
    assert any(step.is_ratchet for step in steps) == bool(climbs)
    assert steps[-1].after == (30 if climbs else 6), "it climbs to the maximum and stays"


def test_the_command_says_whether_the_promises_are_kept(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["rehearse", "autoscale", "--json"])
    assert (good.exit_code, json.loads(good.output)["kept"]) == (0, True)
    written = tmp_path / "report.html"
    bad = CliRunner().invoke(
        app, ["rehearse", "autoscale", "--model", "as_documented", "--json", "--report", str(written)]
    )
    report = from_json(bad.output.encode())
    assert (bad.exit_code, report.kept) == (1, False)
    assert {figure.name: figure.value for figure in report.figures}[
        "CPU targets that bring about every told step up"
    ] == "57 to 61"
    assert [promise.kept for promise in report.promises] == [True, True, False, False, False, True, True]
    assert report.promises[2].figure.startswith("12 to 7 pods or 12 to 8 pods")
    memory = next(table for table in report.tables if table.title == "Memory during a canary")
    assert [row[3] for row in memory.rows] == ["6 -> 6", "6 -> 6", "6 -> 6", "6 -> 30"]
    assert "3 of 7 promises broken" in written.read_text()
    shown = CliRunner().invoke(app, ["rehearse", "autoscale", "--model", "as_documented"])
    assert "not reached" in shown.output
    assert "and up only" in shown.output
    assert "Not every promise is kept." in shown.output


@pytest.mark.parametrize("model", ["production", "as_documented"])
def test_every_service_that_scales_can_be_rehearsed(model: str) -> None:
    scaled = [one.name for one in load_model(model).services if one.autoscaling is not None]  # type: ignore[arg-type]
    assert "payment" in scaled
    for service in scaled:
        done = CliRunner().invoke(app, ["rehearse", "autoscale", "--model", model, "--service", service, "--json"])
        report = from_json(done.output.encode())
        assert done.exit_code == (0 if model == "production" else 1), (service, report.promises)
        assert report.timeline.lanes


@pytest.mark.parametrize("arguments", [["--service", "mystery"], ["--model", "nowhere.yaml"]])
def test_what_is_not_there_is_refused_with_a_name(arguments: list[str]) -> None:
    refused = CliRunner().invoke(app, ["rehearse", "autoscale", *arguments])
    assert refused.exit_code == 2
    assert arguments[1] in refused.output


def test_a_story_that_no_target_brings_about_is_a_broken_promise() -> None:
    topology = load_model("as_documented")
    payment = next(one for one in topology.services if one.name == "payment")
    assert payment.autoscaling is not None
    absurd = payment.autoscaling.story[-1].model_copy(
        update={"replicas_before": 6, "replicas_after": 29, "cpu_utilisation": 30}
    )
    scaling = payment.autoscaling.model_copy(update={"story": (absurd,), "normal_memory_utilisation": 30})
    report = rehearse_autoscaling("absurd", topology, payment, scaling)
    assert [promise.text for promise in report.promises if not promise.kept] == [
        "Some CPU target brings about every step up that is told"
    ]
    assert not report.kept
