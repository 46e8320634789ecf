"""A region: its zones, addresses, subnets, gateways and node groups."""

from typing import Literal

from pydantic import Field

from bezant.topology.model.base import Cidr, Count, Name, NodesPerZone, Part, Positive, Seconds
from bezant.topology.model.data_stores import AuroraTier, Kafka, Valkey

SubnetTier = Literal["public", "nodes", "isolated"]


class Subnet(Part):
    """One subnet in one zone."""

    tier: SubnetTier
    zone: Name
    cidr: Cidr


class Network(Part):
    """The VPC of a region. `cidr` is null where the document gives none."""

    vpc_name: Name
    cidr: Cidr | None
    subnets: tuple[Subnet, ...] = ()
    nat_gateway_zones: tuple[Name, ...] = ()


class LoadBalancer(Part):
    """An Application Load Balancer. One regional ALB spans the public subnets of all its zones."""

    name: Name
    kind: Literal["alb"] = "alb"
    zones: tuple[Name, ...]
    targets: Literal["services", "gateway"] = Field(
        description="what its target group holds: the pods of the exposed services, or those of the mesh's gateway"
    )
    deregistration_delay_seconds: Seconds = Field(description="ELB's default is 300")


class NodeGroup(Part):
    """Machines of one type, the same number in each zone."""

    name: Name
    instance_type: Name
    nodes_per_zone: NodesPerZone
    max_nodes_per_zone: NodesPerZone | None = Field(
        None, description="the autoscaler's bound; null where the document gives none"
    )
    capacity: Literal["on_demand", "spot"] = "on_demand"
    volume_gibibytes: Positive | None = None


class Daemonset(Part):
    """A pod on every node. Null requests: not stated, so the assumption for the whole node is used."""

    name: Name
    cpu_millicores: Count | None = None
    memory_mebibytes: Count | None = None
    host_network: bool = Field(True, description="such pods take no address of their own")


class KubernetesCluster(Part):
    """The EKS cluster of a region."""

    name: Name
    version: Name | None = None
    warm_eni_target: Count = Field(1, description="spare network interfaces per node; the VPC CNI's default is 1")
    node_groups: tuple[NodeGroup, ...] = ()
    daemonsets: tuple[Daemonset, ...] = ()
    unreachable_toleration_seconds: Seconds = Field(
        300, description="how long pods stay bound to a node that answers no more; Kubernetes' default is 300"
    )


class Pieces(Part):
    """What the stacks make in a region besides what is drawn, and AWS bills by the piece. `make test-infra` counts."""

    interface_endpoints: Count = Field(description="of AWS's services, one in each zone counted by itself")
    firewall_rules: Count = Field(description="of the one web ACL")
    keys: Count = Field(description="of KMS")
    alarms: Count = Field(description="of CloudWatch")
    health_checks: Count = Field(0, description="of Route 53, which stand with the primary region")


class Region(Part):
    """One AWS region."""

    name: Name
    role: Literal["primary", "secondary"]
    availability_zones: tuple[Name, ...]
    network: Network
    load_balancers: tuple[LoadBalancer, ...] = ()
    cluster: KubernetesCluster
    aurora: tuple[AuroraTier, ...] = ()
    valkey: Valkey | None = None
    kafka: Kafka | None = None
    pieces: Pieces | None = Field(None, description="null: not stated, and in no bill")

    def node_group(self, name: str) -> NodeGroup:
        """Return the node group of that name. Raises `KeyError`."""
        return {group.name: group for group in self.cluster.node_groups}[name]
