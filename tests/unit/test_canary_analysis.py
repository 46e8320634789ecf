"""What ends a rehearsed canary, read from the chart's declaration."""

import pytest

from bezant.rehearsal.canary.analysis import AnalysisNotUnderstood, Condition, Judgement, analysis_of
from bezant.rehearsal.canary.samples import Samples


def test_the_payment_analysis_asks_about_both_arms() -> None:
    analysis = analysis_of("payment", canary="new", stable="old")
    asked = {question.name: question for question in analysis.questions}
    assert set(asked) == {"error-rate", "p99-latency", "success-drop", "collapse"}
    assert asked["collapse"].interval_seconds == 30
    assert 'rollouts_pod_template_hash="old"' in asked["success-drop"].query
    assert all("{{" not in question.query for question in (*analysis.questions, analysis.samples))


def test_without_samples_nothing_is_judged_and_the_rollout_goes_on_but_not_to_its_next_step() -> None:
    analysis = analysis_of("payment", canary="new", stable="old")
    samples = Samples()
    for question in analysis.questions:
        judgement = Judgement(0.0, question, tuple(question.ask(samples, 2400.0)))
        assert (judgement.is_judged, judgement.passes) == (False, True)
    assert not Judgement(0.0, analysis.samples, tuple(analysis.samples.ask(samples, 2400.0))).passes


def _answered(per_minute: float, errors: float) -> Samples:
    samples = Samples()
    labels = {"reporter": "destination", "namespace": "bezant", "rollouts_pod_template_hash": "new"}
    for minute in range(41):
        good = {**labels, "response_code": "200"}
        samples.add("istio_requests_total", good, minute * 60.0, (per_minute - errors) * minute)
        samples.add("istio_requests_total", {**labels, "response_code": "500"}, minute * 60.0, errors * minute)
    return samples


@pytest.mark.parametrize(
    ("per_minute", "errors", "is_judged", "passes"),
    [(100.0, 0.0, True, True), (100.0, 1.0, True, True), (100.0, 1.1, True, False), (19.0, 19.0, False, True)],
)
def test_the_error_rate_is_judged_from_enough_samples_on(
    per_minute: float, errors: float, is_judged: bool, passes: bool
) -> None:
    analysis = analysis_of("payment", canary="new", stable="old")
    question = next(one for one in analysis.questions if one.name == "error-rate")
    judgement = Judgement(2400.0, question, tuple(question.ask(_answered(per_minute, errors), 2400.0)))
    assert (judgement.is_judged, judgement.passes) == (is_judged, passes)


def test_not_a_number_passes_no_condition() -> None:
    condition = Condition.of("len(result) == 0 || result[0] <= 500")
    assert not condition.holds([float("nan")])
    assert condition.holds([])
    assert not Condition.of("result[0] >= 800").holds([799.9])


@pytest.mark.parametrize("text", ["result[0] != 3", "isNaN(result[0])", "result[0] <= 0.01 || true", ""])
def test_a_condition_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(AnalysisNotUnderstood):
        Condition.of(text)


def test_a_service_without_canary_has_no_analysis() -> None:
    with pytest.raises(KeyError):
        analysis_of("audit", canary="new", stable="old")
