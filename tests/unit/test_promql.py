"""PromQL on samples. The chart's own questions are held against Prometheus in `tests/chart/test_queries.py`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.rehearsal.canary.promql import QueryNotUnderstood, ask
from bezant.rehearsal.canary.samples import Samples


def counter(*values: float, metric: str = "a_total", step: float = 60.0, **labels: str) -> Samples:
    samples = Samples()
    for index, value in enumerate(values):
        samples.add(metric, labels, index * step, value)
    return samples


def test_a_counter_that_rises_steadily_is_extrapolated_to_the_whole_window() -> None:
    assert ask("increase(a_total[4m])", counter(100, 110, 120, 130, 140), 240.0) == [40.0]
    # a window from 30 to 270 s holds the samples of 60 to 240: three seen steps stand for four
    assert ask("increase(a_total[4m])", counter(100, 110, 120, 130, 140), 270.0) == [pytest.approx(40.0)]


def test_a_restart_counts_from_zero() -> None:
    assert ask("increase(a_total[4m])", counter(100, 110, 5, 10, 20), 240.0) == [pytest.approx(30.0)]


def test_one_sample_and_none_answer_nothing() -> None:
    assert ask("increase(a_total[4m])", counter(7), 0.0) == []
    assert ask("sum(increase(other_total[4m]))", counter(1, 2), 60.0) == []


def test_series_are_chosen_by_labels_and_by_patterns_that_match_whole_values() -> None:
    samples = Samples()
    for code, rise in (("200", 10.0), ("500", 2.0), ("503", 1.0), ("0", 4.0)):
        for minute in range(5):
            samples.add("r_total", {"code": code, "pod": "x"}, minute * 60.0, 1000 + rise * minute)
    assert ask('sum(increase(r_total{code=~"5.."}[4m]))', samples, 240.0) == [pytest.approx(12.0)]
    assert ask('sum(increase(r_total{code=~"5..|0"}[4m]))', samples, 240.0) == [pytest.approx(28.0)]
    assert ask('sum(increase(r_total{code=~"5"}[4m]))', samples, 240.0) == []
    assert ask('sum(increase(r_total{code!="200"}[4m]))', samples, 240.0) == [pytest.approx(28.0)]
    assert ask('sum(increase(r_total{code!~"5.."}[4m]))', samples, 240.0) == [pytest.approx(56.0)]
    assert ask('sum(increase(r_total{missing=""}[4m]))', samples, 240.0) == [pytest.approx(68.0)]
    assert len(ask("sum by (code) (increase(r_total[4m]))", samples, 240.0)) == 4


def test_comparisons_filter_and_division_by_zero_is_infinite_or_nothing() -> None:
    samples = counter(1000, 1010, 1020, 1030, 1040)
    assert ask("sum(increase(a_total[4m])) >= 40", samples, 240.0) == [40.0]
    assert ask("sum(increase(a_total[4m])) > 40", samples, 240.0) == []
    assert ask("sum(increase(a_total[4m])) / vector(0)", samples, 240.0) == [math.inf]
    assert math.isnan(ask("vector(0) / vector(0)", samples, 240.0)[0])
    assert ask("sum(increase(b_total[4m])) or on() vector(0)", samples, 240.0) == [0.0]
    assert ask("vector(5) and on() (sum(increase(b_total[4m])))", samples, 240.0) == []


def test_quantiles_are_linear_within_a_bucket() -> None:
    samples = Samples()
    for bound, rise in (("100", 50.0), ("200", 100.0), ("+Inf", 100.0)):
        for minute in range(5):
            samples.add("d_bucket", {"le": bound}, minute * 60.0, 10_000 + rise * minute)
    query = "histogram_quantile({}, sum by (le) (increase(d_bucket[4m])))"
    assert ask(query.format(0.5), samples, 240.0) == [pytest.approx(100.0)]
    assert ask(query.format(0.75), samples, 240.0) == [pytest.approx(150.0)]
    assert ask(query.format(1), samples, 240.0) == [pytest.approx(200.0)]


@pytest.mark.parametrize(
    "query",
    [
        "rate(a_total[5m])",
        "a_total",
        "max(increase(a_total[5m]))",
        "sum without (pod) (increase(a_total[5m]))",
        "sum(increase(a_total[5m] offset 1h))",
        "sum(increase(a_total[5m]",
        "vector(1) unless vector(2)",
        "sum(increase(a_total[5m])) * on() vector(1)",
    ],
)
def test_what_is_not_evaluated_is_refused(query: str) -> None:
    with pytest.raises(QueryNotUnderstood):
        ask(query, counter(1, 2, 3), 120.0)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=30))
def test_a_window_that_ends_at_its_samples_answers_the_rise(rises: list[int]) -> None:
    values, value = [], 1_000_000
    for rise in rises:
        values.append(float(value))
        value += rise
    last = (len(values) - 1) * 60
    answer = ask(f"increase(a_total[{last}s])", counter(*values), float(last))
    assert answer == [pytest.approx(values[-1] - values[0])]
