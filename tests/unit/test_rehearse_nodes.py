"""The node autoscaler's decisions, against the cases of its public documentation.

The scenario of nodes A, B, C, X, Y, the defaults and the order of the expander's choice are those of
https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md; the four machines of the least-waste
cases (pods of 500 m and 1000 MiB) are those that the expander's own tests tell apart.
"""

import pytest

from bezant.rehearsal.autoscaling.course import MAXIMUM, rehearse_course
from bezant.rehearsal.autoscaling.nodes import (
    Addition,
    Evictable,
    Group,
    ScaleDown,
    estimate,
    scale_up,
    utilisation,
    waste,
)
from bezant.topology.capacity.pods import Pod
from bezant.topology.capacity.resources import NOTHING, Resources
from bezant.topology.capacity.scheduler import Node, place
from bezant.topology.loading import load_model
from bezant.topology.model.workloads import AntiAffinity, Placement, TopologySpread

SPREAD = Placement(
    spread=(TopologySpread(domain="zone", max_skew=1, required=True, per_template=True, honors_taints=True),)
)


def _group(
    name: str, cpu: int, memory: int, zone: str = "a", *, maximum: int = 10, daemonsets: Resources = NOTHING
) -> Group:
    return Group(name, zone, Resources(cpu, memory), daemonsets, 100, 1, maximum)


def _pods(count: int, cpu: int = 500, memory: int = 1000, placement: Placement | None = None) -> list[Pod]:
    return [Pod("payment", "stable", n, Resources(cpu, memory), placement or Placement()) for n in range(count)]


def _filled(group: Group, name: str, *pods: Pod) -> Node:
    node = group.node(name)
    for pod in pods:
        place(node, pod)
    return node


def test_the_machine_that_leaves_least_idle_is_chosen() -> None:
    """16 pods' worth of both; twice the memory; half the CPU: the last wastes least for a single pod."""
    balanced, much_memory, little_cpu = (
        _group("balanced", 8000, 16000), _group("highmem", 8000, 32000), _group("lowcpu", 4000, 16000),
    )  # fmt: skip
    [pod] = _pods(1)
    assert [round(waste(Addition(group, 1, (pod,))), 4) for group in (balanced, much_memory, little_cpu)] == [
        1.875, 1.9062, 1.8125,
    ]  # fmt: skip
    assert scale_up([], [balanced, much_memory], [pod])[0].group is balanced
    assert scale_up([], [balanced, much_memory, little_cpu], [pod])[0].group is little_cpu


def test_no_node_is_added_that_would_not_help() -> None:
    group = _group("small", 1000, 2000)
    assert scale_up([], [group], _pods(1, cpu=1001)) == []
    apart = Placement(anti_affinity=AntiAffinity(domain="zone", required=True))
    there = _filled(group, "one", *_pods(1, placement=apart))
    assert scale_up([there], [group], [Pod("payment", "stable", 9, Resources(10, 10), apart)]) == []


def test_pods_are_packed_and_a_groups_maximum_holds() -> None:
    group = _group("general", 1000, 2000, maximum=3)
    found = estimate([], group, 0, _pods(5))
    assert found is not None
    assert (found.count, len(found.pods)) == (3, 5)
    full = estimate([_filled(group, "one")], group, 1, _pods(9))
    assert full is not None
    assert (full.count, len(full.pods)) == (2, 4)
    assert estimate([], group, 3, _pods(1)) is None


def test_nodes_on_their_way_are_counted_in() -> None:
    group = _group("general", 1000, 2000)
    coming = group.node("coming")
    assert scale_up([coming], [group], _pods(2)) == []
    [more] = scale_up([coming], [group], _pods(3))
    assert more.count == 1


def test_similar_groups_are_kept_balanced() -> None:
    groups = [_group("general", 1000, 2000, zone) for zone in "abc"]
    there = [_filled(groups[0], f"a-{n}", *_pods(2)) for n in range(2)]
    added = scale_up(there, groups, _pods(8, placement=Placement()))
    assert {one.group.zone: one.count for one in added} == {"b": 2, "c": 2}
    spread = scale_up([], groups, _pods(1, placement=SPREAD))
    assert [(one.group.zone, one.count) for one in spread] == [("a", 1)]


def test_utilisation_is_the_greater_share_with_the_daemonsets() -> None:
    group = _group("general", 1000, 2000, daemonsets=Resources(100, 100))
    assert utilisation(group.node("empty"), group) == pytest.approx(10)
    assert utilisation(_filled(group, "cpu", *_pods(1, 300, 100)), group) == pytest.approx(40)
    assert utilisation(_filled(group, "memory", *_pods(1, 100, 1100)), group) == pytest.approx(60)


def _watch(below: float = 50) -> ScaleDown:
    return ScaleDown(below_percent=below, unneeded_seconds=600)


FREE = Evictable({"payment": 1})


def test_a_node_goes_after_ten_unneeded_minutes_and_not_before() -> None:
    group = _group("general", 1000, 2000)
    nodes = [_filled(group, "busy", *_pods(2, 400)), _filled(group, "idle")]
    watch = _watch()
    assert watch.look(0, nodes, [group]) == {"idle"}
    assert watch.going(599, nodes, FREE) == []
    assert [node.name for node in watch.going(600, nodes, FREE)] == ["idle"]


def test_a_node_that_was_needed_in_between_waits_anew() -> None:
    group = _group("general", 1000, 2000)
    busy, other = _filled(group, "busy", *_pods(2, 400)), group.node("other")
    watch = _watch()
    watch.look(0, [busy, other], [group])
    assert watch.look(300, [busy, _filled(group, "other", *_pods(2, 300))], [group]) == set()
    watch.look(400, [busy, other], [group])
    assert watch.going(700, [busy, other], FREE) == []
    assert watch.going(1000, [busy, other], FREE) == [other]


def test_half_used_is_used_and_a_groups_minimum_stays() -> None:
    group = _group("general", 1000, 2000)
    half = [_filled(group, str(n), *_pods(1)) for n in range(3)]
    assert _watch().look(0, half, [group]) == set()
    assert _watch(50.1).look(0, half, [group]) == {"0"}, "what it moves in thought fills the others"
    empty = [group.node(str(n)) for n in range(3)]
    assert _watch().look(0, empty, [group]) == {"0", "1"}, "one stays, the group's minimum"


def test_the_documented_scenario_of_a_b_c_x_and_y() -> None:
    """Pods of A and of B each fit on X, not both; those of C fit on Y: after A, C may go at once and B may not."""
    groups = [_group(name, 1000, 2000) for name in ("small", "x", "y")]

    def filled(name: str, group: Group, cpu: int, goes_to: str) -> Node:
        placement = Placement(node_group=goes_to, required=True)
        return _filled(group, name, Pod(name, "stable", 1, Resources(cpu, 10), placement))

    small, at_x, at_y = groups
    a, b, c = filled("A", small, 490, "x"), filled("B", small, 495, "x"), filled("C", small, 300, "y")
    x, y, kept = filled("X", at_x, 505, "x"), filled("Y", at_y, 600, "y"), filled("kept", small, 900, "small")
    watch = _watch()
    assert watch.look(0, [a, b, c, x, y, kept], groups) == {"A", "C"}
    allowed = Evictable(dict.fromkeys("ABCXY", 1))
    assert watch.going(600, [a, b, c, x, y, kept], allowed) == [a], "of those with pods one goes at a time"
    place(x, a.pods[0])
    assert watch.look(610, [b, c, x, y, kept], groups) == {"C"}
    assert watch.going(610, [b, c, x, y, kept], allowed) == [c], "it has been unneeded all the while"


def test_empty_nodes_go_together_ten_at_most() -> None:
    group = _group("general", 1000, 2000)
    nodes = [group.node(f"{n:02}") for n in range(14)]
    watch = _watch()
    watch.look(0, nodes, [group])
    assert len(watch.going(600, nodes, FREE)) == 10


def test_a_budget_that_allows_nothing_keeps_the_node() -> None:
    group = _group("general", 1000, 2000)
    nodes = [_filled(group, "a", *_pods(1, 100, 10)), _filled(group, "b", *_pods(1, 600))]
    watch = _watch()
    watch.look(0, nodes, [group])
    assert watch.going(600, nodes, Evictable({"payment": 0})) == []
    assert watch.going(600, nodes, Evictable({})) == []
    assert watch.going(600, nodes, FREE) == [nodes[0]]


def test_nothing_goes_for_ten_minutes_after_a_node_was_added() -> None:
    group = _group("general", 1000, 2000)
    nodes = [group.node("a"), group.node("b")]
    watch = _watch()
    watch.look(0, nodes, [group])
    watch.added(300)
    assert watch.going(899, nodes, FREE) == []
    assert len(watch.going(900, nodes, FREE)) == 1


def test_the_production_models_nodes_hold_every_services_maximum_and_shrink_again() -> None:
    topology = load_model("production")
    payment = next(service for service in topology.services if service.name == "payment")
    assert payment.autoscaling is not None
    course = rehearse_course(topology, payment, payment.autoscaling, 60)
    assert course.stuck == []
    assert max(moment.replicas for moment in course.moments) == 30
    sizes = [size for _, size in course.sizes]
    assert (sizes[0], max(sizes), sizes[-1]) == (12, 15, 12)
    assert 300 < course.longest_wait_seconds <= 330, "five minutes of provisioning and three looks of ten seconds"
    maximum = next(load for load in course.loads if load.words == MAXIMUM)
    provisioned = [node for node in course.nodes if node.asked_seconds]
    assert all(maximum.start_seconds < node.asked_seconds <= maximum.start_seconds + 150 for node in provisioned)
    assert {node.name.split("-")[1] for node in provisioned} == {"1a", "1b", "1c"}


def test_as_documented_no_node_can_help_pods_that_must_stand_apart() -> None:
    topology = load_model("as_documented")
    payment = next(service for service in topology.services if service.name == "payment")
    assert payment.autoscaling is not None
    course = rehearse_course(topology, payment, payment.autoscaling, 60)
    assert len(course.placed) == 3, "one in each zone, whatever is asked for"
    assert all("required anti-affinity" in one.reason for one in course.stuck)
    assert all(node.asked_seconds == 0 for node in course.nodes)
