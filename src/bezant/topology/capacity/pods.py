"""Pods as the scheduler sees them."""

from dataclasses import dataclass

from bezant.topology.assumptions import Assumptions
from bezant.topology.capacity.resources import Resources
from bezant.topology.model.deployment import Topology
from bezant.topology.model.workloads import Placement, Service, Workload


@dataclass(frozen=True)
class Pod:
    """One pod: whose it is, which pod template it is made of (old, new, canary), and what it asks for."""

    workload: str
    template: str
    number: int
    request: Resources
    placement: Placement

    @property
    def name(self) -> str:
        """A readable name, such as payment-canary-3."""
        return f"{self.workload}-{self.template}-{self.number}"


def pod_request(topology: Topology, workload: Workload, assumptions: Assumptions | None = None) -> Resources:
    """Return what one pod asks for, its sidecar included."""
    assumed = assumptions or Assumptions()
    own = Resources(workload.cpu_millicores, workload.memory_mebibytes)
    if not workload.sidecar:
        return own
    cpu, memory = topology.sidecar.cpu_millicores, topology.sidecar.memory_mebibytes
    return own.plus(
        Resources(
            assumed.sidecar_cpu_millicores if cpu is None else cpu,
            assumed.sidecar_memory_mebibytes if memory is None else memory,
        )
    )


def pods_of(topology: Topology, workload: Workload, template: str, count: int, assumptions: Assumptions) -> list[Pod]:
    """Return so many pods of a workload."""
    request = pod_request(topology, workload, assumptions)
    return [Pod(workload.name, template, number, request, workload.placement) for number in range(1, count + 1)]


def all_workloads(topology: Topology) -> tuple[Workload, ...]:
    """Return platform workloads first: in a cluster they have priority over services."""
    return (*topology.platform, *topology.services)


def largest_canary(service: Service) -> int:
    """Return the pods of the canary at its last step; 0 without one."""
    return service.canary.steps[-1].pods if service.canary else 0
