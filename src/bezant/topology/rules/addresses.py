"""Addresses that nodes and pods take from the subnets of the nodes."""

import ipaddress
import math
from collections.abc import Iterator

from bezant.topology.capacity.scenarios import AUTOSCALED
from bezant.topology.machines import node_machine
from bezant.topology.model.network import Region
from bezant.topology.rules.rule import Deployment, Found, rule

RESERVED_ADDRESSES = 5
"""AWS keeps the first four and the last address of each subnet."""


def nodes_at_most(deployment: Deployment, region: Region) -> dict[str, int]:
    """Return the most nodes of each group in one zone: the group's bound, its drawn nodes, or the stated count."""
    zones = len(region.availability_zones)
    stated = deployment.topology.statements.nodes_by_group if region.role == "primary" else {}
    return {
        group.name: max(
            group.nodes_per_zone, group.max_nodes_per_zone or 0, math.ceil(stated.get(group.name, 0) / zones)
        )
        for group in region.cluster.node_groups
    }


@rule(
    "subnet-addresses",
    "error",
    "Node subnets have addresses for all nodes and their pods",
    reason="The VPC CNI takes a network interface's addresses at a time and keeps a spare one; a node without "
    "addresses runs no pod.",
    source="https://docs.aws.amazon.com/eks/latest/best-practices/vpc-cni.html",
    assumes=("nodes_growth_share_percent",),
)
def subnet_addresses(deployment: Deployment) -> Iterator[Found]:
    """Interfaces in use plus the warm ones, per zone, against the usable addresses."""
    outcome = deployment.placements.outcome(AUTOSCALED)
    share = deployment.assumptions.nodes_growth_share_percent / 100
    for region in deployment.topology.regions:
        counts = nodes_at_most(deployment, region)
        total_nodes = sum(counts.values()) * len(region.availability_zones)
        if not total_nodes:
            continue
        own = sum(not daemonset.host_network for daemonset in region.cluster.daemonsets)
        pods_each = outcome.pods / total_nodes + own
        terms, wanted, full = [], 0, 0
        for group in region.cluster.node_groups:
            machine = node_machine(group.instance_type)
            used = max(1, math.ceil(pods_each / (machine.addresses_per_interface - 1)))
            interfaces = min(machine.network_interfaces, used + region.cluster.warm_eni_target)
            count = counts[group.name]
            terms.append(f"{count} {group.instance_type} × {interfaces} interfaces × {machine.addresses_per_interface}")
            wanted += count * interfaces * machine.addresses_per_interface
            full += count * machine.network_interfaces * machine.addresses_per_interface
        for subnet in region.network.subnets:
            if subnet.tier != "nodes":
                continue
            usable = ipaddress.IPv4Network(subnet.cidr).num_addresses - RESERVED_ADDRESSES
            if wanted > usable * share:
                yield Found(
                    f"regions[{region.name}].network.subnets[nodes {subnet.zone}]",
                    f"{subnet.cidr} has {usable} addresses; {wanted} are wanted, "
                    f"up to {full} with every interface full",
                    (
                        f"{' + '.join(terms)} = {wanted}",
                        f"{usable} usable (2^{32 - ipaddress.IPv4Network(subnet.cidr).prefixlen} - 5), of which "
                        f"{share * 100:g} % = {usable * share:.0f} may be used; {pods_each:.1f} pods a node",
                    ),
                    "a /20 for the nodes of each zone",
                )
