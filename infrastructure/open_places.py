"""What a model has to say before stacks can be made of it."""

from collections.abc import Iterator
from typing import Final

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

_ADD_ONS: Final = {"coredns"}
"""Platform workloads that are add-ons of the cluster and sized by the model."""


_REACHES: Final = {
    "aurora": {"global_database"},
    "secrets": {"replica_secrets"},
    "kafka": {"replay_from_outbox"},
    "valkey": {"rebuild", "standby"},
}
"""How the stacks bring each store to the other region; docs/operations/aws.md says why two are not copied."""


def open_places(topology: Topology) -> Iterator[str]:
    """Return each place that the model leaves open and the stacks need."""
    for name in ("edge", "observability", "domain"):
        if getattr(topology, name) is None:
            yield name
    for workload in _ADD_ONS - {one.name for one in topology.platform}:
        yield f"platform[{workload}]"
    yield from _reaches(topology)
    for region in topology.regions:
        place = f"regions[{region.name}]"
        yield from _network(region, place)
        for group in region.cluster.node_groups:
            if group.volume_gibibytes is None:
                yield f"{place}.cluster.node_groups[{group.name}].volume_gibibytes"
        yield from _versions(region, place)
        for one in region.aurora:
            if sum(one.writers_by_zone.values()) != one.clusters:
                yield f"{place}.aurora[{one.tier}].writers_by_zone"


def _reaches(topology: Topology) -> Iterator[str]:
    for one in topology.recovery.stores if topology.secondary is not None else ():
        made = _REACHES[one.store]
        if one.method not in made:
            yield f"recovery.stores[{one.store}].method (the stacks make {' or '.join(sorted(made))})"


def _versions(region: Region, place: str) -> Iterator[str]:
    if region.cluster.version is None:
        yield f"{place}.cluster.version"
    for tier in region.aurora:
        if tier.engine_version is None:
            yield f"{place}.aurora[{tier.tier}].engine_version"
    if region.valkey is not None and region.valkey.engine_version is None:
        yield f"{place}.valkey.engine_version"
    if region.kafka is not None and region.kafka.version is None:
        yield f"{place}.kafka.version"


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
