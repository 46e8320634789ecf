"""What a model has to say before stacks can be made of it."""

from collections.abc import Iterator
from typing import Final

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

_ADD_ONS: Final = {"coredns"}
"""Platform workloads that are add-ons of the cluster and sized by the model."""


def open_places(topology: Topology) -> Iterator[str]:
    """Return each place that the model leaves open and the stacks need."""
    for name in ("edge", "observability", "domain"):
        if getattr(topology, name) is None:
            yield name
    for workload in _ADD_ONS - {one.name for one in topology.platform}:
        yield f"platform[{workload}]"
    for region in topology.regions:
        place = f"regions[{region.name}]"
        yield from _network(region, place)
        if region.cluster.version is None:
            yield f"{place}.cluster.version"
        for group in region.cluster.node_groups:
            if group.volume_gibibytes is None:
                yield f"{place}.cluster.node_groups[{group.name}].volume_gibibytes"
        for store, version in (
            ("valkey.engine_version", region.valkey and region.valkey.engine_version),
            ("kafka.version", region.kafka and region.kafka.version),
        ):
            if getattr(region, store.partition(".")[0]) is not None and version is None:
                yield f"{place}.{store}"
        for one in region.aurora:
            if one.engine_version is None:
                yield f"{place}.aurora[{one.tier}].engine_version"
            if sum(one.writers_by_zone.values()) != one.clusters:
                yield f"{place}.aurora[{one.tier}].writers_by_zone"


def _network(region: Region, place: str) -> Iterator[str]:
    zones = set(region.availability_zones)
    if region.network.cidr is None:
        yield f"{place}.network.cidr"
    for tier in ("public", "nodes", "isolated"):
        if {subnet.zone for subnet in region.network.subnets if subnet.tier == tier} != zones:
            yield f"{place}.network.subnets (tier: {tier})"
    if set(region.network.nat_gateway_zones) != zones:
        yield f"{place}.network.nat_gateway_zones"
    if not any(one.targets == "gateway" for one in region.load_balancers):
        yield f"{place}.load_balancers (targets: gateway)"
