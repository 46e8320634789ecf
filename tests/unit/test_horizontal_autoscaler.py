"""The autoscaler's arithmetic, case by case as Kubernetes documents it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.rehearsal.autoscaling.horizontal import (
    SCALE_UP,
    Controller,
    Direction,
    HorizontalAutoscaler,
    Metric,
    Pod,
    Policy,
    Select,
    propose,
)

CPU, MEMORY = Metric.CPU, Metric.MEMORY


def pods(*figures: float | None, unready: int = 0) -> list[Pod]:
    return [Pod({CPU: figure}) for figure in figures] + [Pod({CPU: None}, is_ready=False)] * unready


def scaler(**changes: object) -> HorizontalAutoscaler:
    declared = {"min_replicas": 1, "max_replicas": 100, "targets": {CPU: 50.0}} | changes
    return HorizontalAutoscaler(**declared)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("figures", "target", "replicas"),
    [
        ([200, 200], 100, 4),  # the documentation's example: twice the target doubles
        ([50, 50], 100, 1),  # half the target halves
        ([105, 105], 100, 2),  # within the tolerance
        ([110, 110], 100, 2),  # at its edge
        ([111, 111], 100, 3),
        ([90, 90], 100, 2),
        ([89, 89], 100, 2),  # ceil(1.78)
        ([40] * 6, 60, 4),
        ([75] * 6, 60, 8),
        ([85] * 8, 60, 12),
        ([35] * 12, 60, 7),  # never 6
    ],
)
def test_the_ratio_of_mean_and_target_counts(figures: list[float], target: float, replicas: int) -> None:
    assert propose(CPU, target, len(figures), pods(*figures)).replicas == replicas


def test_pods_without_a_figure_dampen_both_directions() -> None:
    # up: as if they used nothing; (100 + 100 + 0 + 0) / 4 / 50 = 1 changes nothing
    assert propose(CPU, 50, 4, pods(100, 100, None, None)).replicas == 4
    assert propose(CPU, 50, 3, pods(150, 150, None)).replicas == 6
    # down: as if they used the target; (10 + 10 + 50 + 50) / 4 / 50 = 0.6, of 4
    assert propose(CPU, 50, 4, pods(10, 10, None, None)).replicas == 3


def test_pods_that_are_not_ready_count_as_idle_on_the_way_up_and_not_at_all_on_the_way_down() -> None:
    assert propose(CPU, 50, 4, pods(100, 100, unready=2)).replicas == 4
    assert propose(CPU, 50, 4, pods(20, 20, unready=2)).replicas == 1


def test_nothing_known_is_nothing_proposed() -> None:
    assert propose(CPU, 50, 3, pods(None, None, unready=1)).replicas is None


def test_the_largest_proposal_wins_and_an_unreadable_metric_never_lets_the_number_fall() -> None:
    declared = scaler(targets={CPU: 50.0, MEMORY: 80.0})
    both = [Pod({CPU: 20.0, MEMORY: 120.0})] * 4
    assert Controller(declared).decide(0, 4, both).replicas == 6
    blind = [Pod({CPU: 20.0, MEMORY: None})] * 4
    assert Controller(declared).decide(0, 4, blind).replicas == 4
    busy = [Pod({CPU: 100.0, MEMORY: None})] * 4
    assert Controller(declared).decide(0, 4, busy).replicas == 8


def test_the_number_at_most_doubles_or_grows_by_four_in_15_seconds() -> None:
    controller = Controller(scaler())
    assert controller.decide(0, 1, pods(5000)).replicas == 5
    assert controller.decide(5, 5, pods(*[5000] * 5)).replicas == 5, "used up in this period"
    assert controller.decide(15, 5, pods(*[5000] * 5)).replicas == 10
    assert controller.decide(30, 10, pods(*[5000] * 10)).replicas == 20


def test_policies_are_chosen_by_select() -> None:
    policies = (Policy(10, True, 60), Policy(2, False, 60))
    for select, expected in ((Select.MAX, 22), (Select.MIN, 22), (Select.DISABLED, 20)):
        up = Direction(0, policies, select)
        assert Controller(scaler(scale_up=up)).decide(0, 20, pods(*[500] * 20)).replicas == expected
    slow = Direction(0, (Policy(50, True, 60), Policy(2, False, 60)), Select.MIN)
    assert Controller(scaler(scale_up=slow)).decide(0, 20, pods(*[500] * 20)).replicas == 22
    down = Direction(0, (Policy(1, False, 60),))
    controller = Controller(scaler(scale_down=down))
    assert controller.decide(0, 10, pods(*[1] * 10)).replicas == 9
    assert controller.decide(15, 9, pods(*[1] * 9)).replicas == 9
    assert controller.decide(60, 9, pods(*[1] * 9)).replicas == 8


def test_what_was_taken_in_a_policys_period_may_be_added_again_and_the_other_way_round() -> None:
    down = Direction(0, (Policy(50, True, 60),))
    controller = Controller(scaler(scale_up=Direction(0, (Policy(2, False, 60),)), scale_down=down))
    assert controller.decide(0, 10, pods(*[1] * 10)).replicas == 5
    assert controller.decide(15, 5, pods(*[500] * 5)).replicas == 12, "two above the ten of a minute ago"
    assert controller.decide(30, 12, pods(*[500] * 12)).replicas == 12
    assert controller.decide(45, 12, pods(*[1] * 12)).replicas == 5, "half of the ten of a minute ago"


def test_a_controller_that_has_just_begun_keeps_what_it_finds_for_its_window() -> None:
    controller = Controller(scaler(scale_down=Direction(300, (Policy(100, True, 15),))))
    assert controller.decide(0, 10, pods(*[5] * 10)).replicas == 10
    assert controller.decide(285, 10, pods(*[5] * 10)).replicas == 10
    assert controller.decide(300, 10, pods(*[5] * 10)).replicas == 1


def test_what_was_asked_for_within_the_window_is_kept() -> None:
    controller = Controller(scaler(min_replicas=2, scale_down=Direction(600, (Policy(100, True, 15),))))
    assert controller.decide(0, 10, pods(*[50] * 10)).replicas == 10
    for now in range(15, 600, 15):
        decision = controller.decide(now, 10, pods(*[5] * 10))
        assert (decision.replicas, decision.limited_by) == (10, "stabilisation window")
    assert controller.decide(600, 10, pods(*[5] * 10)).replicas == 2


def test_the_window_upwards_takes_the_lowest() -> None:
    up = Direction(60, SCALE_UP.policies)
    controller = Controller(scaler(scale_up=up))
    assert controller.decide(0, 4, pods(*[50] * 4)).replicas == 4
    assert controller.decide(15, 4, pods(*[100] * 4)).replicas == 4
    assert controller.decide(61, 4, pods(*[100] * 4)).replicas == 8


@given(
    current=st.integers(1, 60), figure=st.floats(0, 500), target=st.floats(1, 100), now=st.integers(0, 1000),
    least=st.integers(1, 5), more=st.integers(0, 60),
)  # fmt: skip
def test_minimum_and_maximum_hold(current: int, figure: float, target: float, now: int, least: int, more: int) -> None:
    declared = scaler(min_replicas=least, max_replicas=least + more, targets={CPU: target})
    assert least <= Controller(declared).decide(now, current, pods(*[figure] * current)).replicas <= least + more
