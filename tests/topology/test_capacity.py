"""The node's offer and the scheduler's model, on both sides of each edge."""

import pytest

from bezant.topology.assumptions import Assumptions
from bezant.topology.capacity.nodes import allocatable, kubelet_cpu_millicores
from bezant.topology.capacity.pods import Pod
from bezant.topology.capacity.resources import Resources
from bezant.topology.capacity.scheduler import Node, schedule
from bezant.topology.machines import node_machine
from bezant.topology.model.workloads import AntiAffinity, Placement, TopologySpread

ZONES = ("a", "b", "c")
SPREAD = TopologySpread(domain="zone", max_skew=1, required=True, per_template=True, honors_taints=True)


def nodes(
    each: Resources = Resources(4000, 8000), *, per_zone: int = 1, pods_left: int = 50, group: str = "g"
) -> list[Node]:
    return [Node(f"{group}-{z}-{n}", group, z, each, pods_left) for n in range(per_zone) for z in ZONES]


def pods(
    count: int, placement: Placement | None = None, *, template: str = "stable", cpu: int = 1000, memory: int = 100
) -> list[Pod]:
    return [Pod("payment", template, n, Resources(cpu, memory), placement or Placement()) for n in range(count)]


@pytest.mark.parametrize(("vcpus", "reserved"), [(1, 60), (2, 70), (4, 80), (8, 90), (16, 110)])
def test_kubelet_reserves_cpu_as_the_ami_does(vcpus: int, reserved: int) -> None:
    assert kubelet_cpu_millicores(vcpus) == reserved


@pytest.mark.parametrize(
    ("kind", "pods_at_most"), [("t3.large", 35), ("c6i.xlarge", 58), ("r6i.large", 29), ("m6i.xlarge", 58)]
)
def test_pods_per_node_follow_from_its_interfaces(kind: str, pods_at_most: int) -> None:
    assert node_machine(kind).max_pods == pods_at_most


def test_allocatable_is_capacity_less_what_is_reserved() -> None:
    assert allocatable(node_machine("t3.large"), Assumptions()) == Resources(1930, 7577 - 255 - 11 * 35 - 100)


def test_a_pod_that_fits_exactly_is_placed_and_one_more_is_not() -> None:
    fleet = nodes(Resources(2000, 8000))
    assert schedule(fleet, pods(6)) == []
    (pending,) = schedule(fleet, pods(1))
    assert pending.reasons == {"short of CPU": 3}


def test_a_sum_that_fits_does_not_mean_that_pods_do() -> None:
    """4.5 vCPU free in all, 1.5 on each node: no pod of 2 vCPU fits, whatever the sum says."""
    assert len(schedule(nodes(Resources(1500, 8000)), pods(1, cpu=2000))) == 1


def test_memory_can_be_what_is_short() -> None:
    (pending, *_) = schedule(nodes(Resources(8000, 150)), pods(4))
    assert pending.reasons == {"short of memory": 3}


def test_pods_per_node_are_bounded() -> None:
    (pending,) = schedule(nodes(pods_left=1), pods(4, cpu=1))
    assert pending.reasons == {"full of pods": 3}


def test_required_node_group_is_a_filter_and_a_preferred_one_is_not() -> None:
    fleet = [*nodes(Resources(1000, 8000), group="compute"), *nodes(group="general")]
    only = Placement(node_group="compute", required=True)
    assert len(schedule(fleet, pods(4, only))) == 1
    fleet = [*nodes(Resources(1000, 8000), group="compute"), *nodes(group="general")]
    assert schedule(fleet, pods(4, Placement(node_group="compute"))) == []
    assert sum(len(node.pods) for node in fleet if node.group == "compute") == 3


def test_required_anti_affinity_admits_one_pod_a_zone() -> None:
    apart = Placement(anti_affinity=AntiAffinity(domain="zone", required=True))
    assert schedule(nodes(per_zone=4), pods(3, apart)) == []
    assert len(schedule(nodes(per_zone=4), pods(6, apart))) == 3


def test_required_anti_affinity_blocks_the_new_version_too() -> None:
    apart = Placement(anti_affinity=AntiAffinity(domain="zone", required=True))
    fleet = nodes(per_zone=4)
    schedule(fleet, pods(3, apart))
    assert len(schedule(fleet, pods(1, apart, template="next"))) == 1


def test_spread_keeps_the_zones_level_and_counts_templates_apart() -> None:
    fleet = nodes(Resources(8000, 8000))
    assert schedule(fleet, pods(6, Placement(spread=(SPREAD,)))) == []
    assert [len(node.pods) for node in fleet] == [2, 2, 2]
    assert schedule(fleet, pods(1, Placement(spread=(SPREAD,)), template="next")) == []


def test_spread_leaves_pods_pending_rather_than_exceed_its_skew() -> None:
    fleet = nodes(Resources(8000, 8000))
    fleet[2].free = Resources(0, 0)
    assert len(schedule(fleet, pods(3, Placement(spread=(SPREAD,))))) == 1


def test_a_dead_zone_blocks_replacements_unless_taints_are_honoured() -> None:
    blocking = SPREAD.model_copy(update={"honors_taints": False})
    for spread, pending in ((SPREAD, 0), (blocking, 4)):
        fleet = nodes(Resources(8000, 8000))
        fleet[2].lost = True
        assert len(schedule(fleet, pods(6, Placement(spread=(spread,))))) == pending


def test_soft_spread_never_leaves_a_pod_pending() -> None:
    soft = SPREAD.model_copy(update={"required": False})
    fleet = nodes(Resources(8000, 8000))
    fleet[1].free = fleet[2].free = Resources(0, 0)
    assert schedule(fleet, pods(3, Placement(spread=(soft,)))) == []
