"""The rates at which the chart's analysis is wrong, by simulation."""

import random
import statistics

import pytest
from typer.testing import CliRunner

from bezant.cli.main import app
from bezant.local.plan import STABLE
from bezant.rehearsal.canary.analysis import analysis_of
from bezant.rehearsal.canary.odds import Kind, binomial, rehearse_odds, roll_out, versions
from bezant.rehearsal.canary.rollout import CANARY, canary_of
from bezant.rehearsal.report.document import from_json
from bezant.topology.loading import load_model
from bezant.topology.rules.rule import Deployment

TOPOLOGY = load_model("production")
DEPLOYMENT = Deployment(TOPOLOGY)
PAYMENT = canary_of(TOPOLOGY, "payment")
ANALYSIS = analysis_of("payment", canary=CANARY, stable=STABLE)
HEALTHY = versions(DEPLOYMENT)[0]


@pytest.mark.parametrize("chance", [0.002, 0.05, 0.5, 0.93, 0.98])
def test_binomial_numbers_have_their_mean_and_spread(chance: float) -> None:
    chooser = random.Random(7)
    drawn = [binomial(chooser, 200, chance) for _ in range(4000)]
    deviation = (200 * chance * (1 - chance)) ** 0.5
    assert statistics.mean(drawn) == pytest.approx(200 * chance, abs=5 * deviation / 4000**0.5)
    assert statistics.stdev(drawn) == pytest.approx(deviation, rel=0.06)
    assert (binomial(chooser, 9, 0.0), binomial(chooser, 9, 1.0), binomial(chooser, 0, 0.4)) == (0, 9, 0)


@pytest.mark.parametrize(
    ("kind", "because"),
    [
        (Kind("errors", 0.05, 0.0, 0.98), "error-rate"),
        (Kind("slow", 0.0, 1.0, 0.98), "p99-latency"),
        (Kind("refuses", 0.0, 0.0, 0.90), "success-drop"),
        (Kind("broken", 1.0, 0.0, 0.0), "collapse"),
    ],
)
def test_each_fault_is_caught_at_the_first_step_by_its_own_question(kind: Kind, because: str) -> None:
    ended = roll_out(random.Random(3), PAYMENT, ANALYSIS, kind, healthy=HEALTHY, per_minute=231.0)
    assert (ended.is_aborted, ended.step, ended.because) == (True, 0, because)
    assert ended.after_minutes <= 42


def test_a_faultless_version_is_promoted_after_four_hours() -> None:
    perfect = Kind("perfect", 0.0, 0.0, 1.0, is_healthy=True)
    ended = roll_out(random.Random(3), PAYMENT, ANALYSIS, perfect, healthy=perfect, per_minute=231.0)
    assert (ended.is_aborted, ended.step, ended.after_minutes) == (False, 3, 240)


def test_with_too_little_traffic_a_bad_version_is_missed_and_the_promise_broken() -> None:
    quiet = Deployment(
        TOPOLOGY.model_copy(update={"usage": TOPOLOGY.usage.model_copy(update={"payments_per_month": 300_000})})
    )
    report = rehearse_odds(quiet, "payment", PAYMENT, rollouts=3)
    kept = {promise.text: promise.kept for promise in report.promises}
    assert not kept["Each is caught at the first step"]


def test_the_command_says_the_same_for_the_same_seed_and_refuses_what_there_is_not() -> None:
    runner = CliRunner()
    results = [runner.invoke(app, ["rehearse", "canary", "--simulated", "2", "--json"]) for _ in range(2)]
    first, second = (from_json(result.stdout.encode()) for result in results)
    assert first.tables == second.tables
    assert runner.invoke(app, ["rehearse", "canary", "audit", "--simulated", "2"]).exit_code == 2
    assert runner.invoke(app, ["rehearse", "canary", "--model", "none", "--simulated", "2"]).exit_code == 2
