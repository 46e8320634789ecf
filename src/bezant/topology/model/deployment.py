"""The whole deployment."""

from pydantic import Field

from bezant.topology.model.base import Count, Name, Part
from bezant.topology.model.data_stores import Backups, ConnectionPools, Secrets, Security, Topic
from bezant.topology.model.delivery import Recovery
from bezant.topology.model.edge import Edge
from bezant.topology.model.network import Region
from bezant.topology.model.observability import Observability
from bezant.topology.model.statements import Statements, Usage
from bezant.topology.model.workloads import Admission, NodeAutoscaler, Service, Sidecar, Workload


class Topology(Part):
    """One deployment: everything that the stacks, the chart, the bill, the checks and the pictures need."""

    name: Name
    description: str
    domain: Name | None = Field(None, description="the public host name that Route 53 answers for")
    image_repository: Name | None = None
    tenants: Count
    regions: tuple[Region, ...]
    sidecar: Sidecar
    services: tuple[Service, ...] = Field(min_length=1)
    platform: tuple[Workload, ...] = ()
    node_autoscaler: NodeAutoscaler
    pools: ConnectionPools
    admission: Admission | None = Field(None, description="what bounds a process's load; null: not stated")
    topics: tuple[Topic, ...]
    secrets: Secrets
    security: Security
    backups: Backups
    recovery: Recovery
    edge: Edge | None = Field(None, description="firewall and health checks; null: not stated")
    observability: Observability | None = None
    usage: Usage
    statements: Statements = Statements()

    @property
    def primary(self) -> Region:
        """The region that serves."""
        return next(region for region in self.regions if region.role == "primary")

    @property
    def secondary(self) -> Region | None:
        """The region that stands by, if there is one."""
        return next((region for region in self.regions if region.role == "secondary"), None)

    def service(self, name: str) -> Service:
        """Return the service of that name. Raises `KeyError`."""
        return {service.name: service for service in self.services}[name]
