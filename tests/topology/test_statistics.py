"""Sample sizes, odds and the autoscaler's formula, against published or hand-made figures."""

import pytest

from bezant.topology.model.delivery import AutoscalingStep
from bezant.topology.rules.autoscaling import desired_replicas, targets_that_explain
from bezant.topology.statistics import at_least_once, binomial_above, drop_by_chance, samples_to_see_drop


@pytest.mark.parametrize(("stable_per_canary", "samples"), [(1.0, 1139), (9.0, 797), (3.0, 882)])
def test_samples_to_see_two_points_lost(stable_per_canary: float, samples: int) -> None:
    found = samples_to_see_drop(
        healthy=0.98, degraded=0.96, stable_per_canary=stable_per_canary, confidence=0.95, power=0.8
    )
    assert found == samples


def test_a_larger_drop_needs_fewer_samples_and_more_power_more() -> None:
    def wanted(degraded: float, power: float) -> int:
        return samples_to_see_drop(healthy=0.98, degraded=degraded, stable_per_canary=9, confidence=0.95, power=power)

    assert wanted(0.90, 0.8) < wanted(0.96, 0.8) < wanted(0.97, 0.8)
    assert wanted(0.96, 0.8) < wanted(0.96, 0.95)


def test_no_drop_cannot_be_seen() -> None:
    with pytest.raises(ValueError, match="no drop"):
        samples_to_see_drop(healthy=0.98, degraded=0.98, stable_per_canary=1, confidence=0.95, power=0.8)


def test_binomial_tail_is_exact() -> None:
    assert binomial_above(23, 0.002, 0) == pytest.approx(1 - 0.998**23)
    assert binomial_above(2, 0.5, 0) == pytest.approx(0.75)
    assert binomial_above(2, 0.5, 1) == pytest.approx(0.25)
    assert binomial_above(2, 0.5, 2) == 0
    assert binomial_above(100_000, 0.002, 1_000) == pytest.approx(0, abs=1e-9)
    assert binomial_above(10, 0.0, 0) == 0


def test_chance_of_a_drop_falls_with_samples() -> None:
    few = drop_by_chance(healthy=0.98, drop=0.02, canary_samples=23, stable_samples=205)
    many = drop_by_chance(healthy=0.98, drop=0.02, canary_samples=2300, stable_samples=20500)
    assert few > 0.2
    assert many < 1e-6
    assert drop_by_chance(healthy=0.98, drop=0.02, canary_samples=0, stable_samples=10) == 1


def test_at_least_once() -> None:
    assert at_least_once(0.5, 2) == 0.75
    assert at_least_once(0.0, 60) == 0


@pytest.mark.parametrize(
    ("current", "utilisation", "target", "desired"),
    [(6, 75, 60, 8), (8, 85, 60, 12), (12, 35, 60, 7), (12, 35, 57, 8), (6, 60, 60, 6), (6, 60.1, 60, 7)],
)
def test_desired_replicas(current: int, utilisation: float, target: float, desired: int) -> None:
    assert desired_replicas(current, utilisation, target) == desired


def test_targets_that_explain_a_step_reproduce_it() -> None:
    step = AutoscalingStep(replicas_before=6, cpu_utilisation=75.0, replicas_after=8)
    bounds = targets_that_explain(step)
    assert bounds is not None
    low, high = bounds
    assert desired_replicas(6, 75, low) == 8
    assert desired_replicas(6, 75, low - 0.01) == 9
    assert desired_replicas(6, 75, high - 0.01) == 8
    assert desired_replicas(6, 75, high) == 7
