"""The catalogue of machines, and what a node has left for pods."""

from functools import cache
from importlib.resources import files

from pydantic import Field

from bezant.topology.errors import UnknownInstanceType
from bezant.topology.model.base import Part, Percentage, Positive
from bezant.topology.yaml_text import parse_yaml


class NodeMachine(Part):
    """An EC2 instance type."""

    vcpus: Positive
    memory_gibibytes: Positive
    network_interfaces: Positive
    addresses_per_interface: Positive
    baseline_percent: Percentage | None = Field(None, description="of each vCPU, for burstable types")

    @property
    def max_pods(self) -> int:
        """Pods the VPC CNI can address: each interface lends all but its own address, plus two on the host network."""
        return self.network_interfaces * (self.addresses_per_interface - 1) + 2


class DatabaseMachine(Part):
    """An RDS instance class."""

    memory_gibibytes: Positive


class Machines(Part):
    """The catalogue."""

    nodes: dict[str, NodeMachine]
    databases: dict[str, DatabaseMachine]


@cache
def machines() -> Machines:
    """Return the catalogue of the package."""
    text = files("bezant.topology").joinpath("data/machines.yaml").read_text("utf-8")
    return Machines.model_validate(parse_yaml(text))


def node_machine(instance_type: str) -> NodeMachine:
    """Return an EC2 type. Raises `UnknownInstanceType`."""
    found = machines().nodes.get(instance_type)
    if found is None:
        raise UnknownInstanceType(f"no machine {instance_type!r}; known: {', '.join(machines().nodes)}")
    return found


def database_machine(instance_class: str) -> DatabaseMachine:
    """Return an RDS class. Raises `UnknownInstanceType`."""
    found = machines().databases.get(instance_class)
    if found is None:
        raise UnknownInstanceType(f"no database machine {instance_class!r}; known: {', '.join(machines().databases)}")
    return found
