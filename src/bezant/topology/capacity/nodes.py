"""What a node offers to pods: capacity, less what the kernel, the kubelet and the daemonsets take."""

from bezant.topology.assumptions import Assumptions
from bezant.topology.capacity.resources import Resources
from bezant.topology.machines import NodeMachine, node_machine
from bezant.topology.model.network import NodeGroup, Region

_KUBELET_CPU_SHARES = ((1, 60), (1, 10), (2, 5))
"""Millicores reserved of the first core, the second, the third and fourth; 2.5 of each further one (amazon-eks-ami)."""


def kubelet_cpu_millicores(vcpus: int) -> int:
    """Return kube-reserved CPU as amazon-eks-ami computes it: 6 %, 1 %, 0.5 %, 0.5 %, then 0.25 % of each core."""
    reserved, left = 0.0, vcpus
    for cores, millicores in _KUBELET_CPU_SHARES:
        taken = min(left, cores)
        reserved += taken * millicores
        left -= taken
    return int(reserved + left * 2.5)


def allocatable(machine: NodeMachine, assumptions: Assumptions) -> Resources:
    """Return what the kubelet announces: capacity less kube-reserved and the eviction threshold."""
    memory = machine.memory_gibibytes * 1024 * (1 - assumptions.kernel_memory_percent / 100)
    reserved = (
        assumptions.kubelet_base_memory_mebibytes
        + assumptions.kubelet_memory_per_pod_mebibytes * machine.max_pods
        + assumptions.eviction_memory_mebibytes
    )
    return Resources(machine.vcpus * 1000 - kubelet_cpu_millicores(machine.vcpus), int(memory) - reserved)


def daemonset_request(region: Region, assumptions: Assumptions) -> Resources:
    """Return what the daemonsets ask of each node: their requests, or the assumption if any is not stated."""
    daemonsets = region.cluster.daemonsets
    cpu = [daemonset.cpu_millicores for daemonset in daemonsets]
    memory = [daemonset.memory_mebibytes for daemonset in daemonsets]
    known_cpu = [value for value in cpu if value is not None]
    known_memory = [value for value in memory if value is not None]
    return Resources(
        sum(known_cpu) if cpu and len(known_cpu) == len(cpu) else assumptions.daemonset_cpu_millicores,
        sum(known_memory) if memory and len(known_memory) == len(memory) else assumptions.daemonset_memory_mebibytes,
    )


def free_node(region: Region, group: NodeGroup, assumptions: Assumptions | None = None) -> Resources:
    """Return what an empty node of the group has for pods that are not daemonsets."""
    assumed = assumptions or Assumptions()
    return allocatable(node_machine(group.instance_type), assumed).plus(daemonset_request(region, assumed), -1)
