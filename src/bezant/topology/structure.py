"""Structural rules: what no deployment can be. A file that breaks one is refused, whatever the other rules say."""

import ipaddress
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from bezant.topology.errors import UnknownInstanceType, Violation
from bezant.topology.machines import database_machine, node_machine
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from bezant.topology.model.workloads import Workload

REFUSALS: Final[dict[str, str]] = {
    "percentage-out-of-range": "A percentage is 0 to 100.",
    "cidr-malformed": "A network is written as an address and a prefix, with no host bits set.",
    "unknown-key": "A key that the model does not have is a typing mistake, and would silently do nothing.",
    "missing-key": "A key that has no default must be there.",
    "invalid-value": "A value has the type and range of its field; nothing is converted silently.",
    "yaml-malformed": "The file is YAML, a mapping, with no key twice.",
    "range-reversed": "A range goes from low to high.",
    "regions-incomplete": "There is exactly one primary region, and at most one secondary.",
    "region-without-zones": "A region has at least one availability zone: nothing can run in none.",
    "unknown-zone": "Whatever names a zone names one of its region.",
    "cidr-overlap": "Subnets of a VPC, and VPCs that are peered, do not overlap (RFC 4632; VPC user guide).",
    "subnet-outside-vpc": "A subnet lies within the network of its VPC.",
    "subnet-without-vpc-network": "A subnet needs a VPC with a network.",
    "name-repeated": "Names are unique among their kind.",
    "unknown-instance-type": "The catalogue has the machine, or nothing can be computed of it.",
    "unknown-node-group": "A workload names a node group of the primary region.",
    "unknown-service": "Calls name services of the model, and not the caller itself.",
    "service-fits-no-node-group": "One pod fits an empty node of at least one group where it may run.",
    "canary-incomplete": "A canary's weights rise, and its last step is 100 %.",
    "autoscaling-range": "The minimum of replicas is not above the maximum, and replicas lie between them.",
    "load-balancer-zones": "An Application Load Balancer is in at least one zone.",
    "kafka-copies": "There are as many brokers as replicas, and fewer replicas must be in sync than there are.",
}
"""Every structural rule and its reason; the first ones are enforced by the types."""


def structural_violations(topology: Topology) -> list[Violation]:
    """Return why this cannot be a deployment; empty when it can."""
    found: list[Violation] = []
    roles = Counter(region.role for region in topology.regions)
    if roles["primary"] != 1 or roles["secondary"] > 1:
        counts = f"{roles['primary']} primary and {roles['secondary']} secondary"
        return [Violation("regions-incomplete", "regions", f"{counts}; wanted are 1 and at most 1")]
    for rule in _RULES:
        found.extend(rule(topology))
    return found


def _repeated(place: str, names: Iterable[str]) -> Iterator[Violation]:
    for name, times in Counter(names).items():
        if times > 1:
            yield Violation("name-repeated", place, f"{name!r} stands {times} times")


def _names(topology: Topology) -> Iterator[Violation]:
    yield from _repeated("regions", (region.name for region in topology.regions))
    yield from _repeated("services and platform", (w.name for w in (*topology.services, *topology.platform)))
    yield from _repeated("topics", (topic.name for topic in topology.topics))
    for region in topology.regions:
        place = f"regions[{region.name}]"
        yield from _repeated(f"{place}.availability_zones", region.availability_zones)
        yield from _repeated(f"{place}.cluster.node_groups", (group.name for group in region.cluster.node_groups))
        yield from _repeated(f"{place}.aurora", (f"{t.tier}/{t.alternative}" for t in region.aurora))


def _zones(topology: Topology) -> Iterator[Violation]:
    for region in topology.regions:
        place = f"regions[{region.name}]"
        if not region.availability_zones:
            yield Violation("region-without-zones", place, "0 availability zones")
            continue
        for where, zone in _named_zones(region):
            if zone not in region.availability_zones:
                known = ", ".join(region.availability_zones)
                yield Violation("unknown-zone", f"{place}.{where}", f"{zone!r} is not among {known}")
        for balancer in region.load_balancers:
            if not balancer.zones:
                yield Violation("load-balancer-zones", f"{place}.load_balancers[{balancer.name}]", "0 zones")


def _named_zones(region: Region) -> Iterator[tuple[str, str]]:
    for subnet in region.network.subnets:
        yield f"network.subnets[{subnet.cidr}]", subnet.zone
    for zone in region.network.nat_gateway_zones:
        yield "network.nat_gateway_zones", zone
    for balancer in region.load_balancers:
        for zone in balancer.zones:
            yield f"load_balancers[{balancer.name}]", zone
    for tier in region.aurora:
        for zone in tier.writers_by_zone:
            yield f"aurora[{tier.tier}].writers_by_zone", zone
    for number, shard in enumerate(region.valkey.shards if region.valkey else ()):
        for zone in (shard.primary_zone, *shard.replica_zones):
            yield f"valkey.shards[{number}]", zone


def _networks(topology: Topology) -> Iterator[Violation]:
    for region in topology.regions:
        place, network = f"regions[{region.name}].network", region.network
        if network.cidr is None:
            if network.subnets:
                detail = f"{len(network.subnets)} subnets in a VPC with no network"
                yield Violation("subnet-without-vpc-network", place, detail)
            continue
        vpc = ipaddress.IPv4Network(network.cidr)
        subnets = [(subnet, ipaddress.IPv4Network(subnet.cidr)) for subnet in network.subnets]
        for number, (subnet, block) in enumerate(subnets):
            where = f"{place}.subnets[{subnet.tier} {subnet.zone}]"
            if not block.subnet_of(vpc):
                yield Violation(
                    "subnet-outside-vpc", where,
                    f"{block} ({block[0]} to {block[-1]}) is not within {vpc} ({vpc[0]} to {vpc[-1]})",
                )  # fmt: skip
            for other, other_block in subnets[:number]:
                if block.overlaps(other_block):
                    shared = min(block.num_addresses, other_block.num_addresses)
                    detail = f"{block} overlaps {other_block} of {other.tier} {other.zone} in {shared} addresses"
                    yield Violation("cidr-overlap", where, detail)
    networks = [(region, region.network.cidr) for region in topology.regions if region.network.cidr is not None]
    for number, (region, cidr) in enumerate(networks):
        for other_region, other_cidr in networks[:number]:
            if ipaddress.IPv4Network(cidr).overlaps(ipaddress.IPv4Network(other_cidr)):
                detail = f"{cidr} overlaps {other_cidr} of {other_region.name}, so the two cannot be peered"
                yield Violation("cidr-overlap", f"regions[{region.name}].network.cidr", detail)


def _machines(topology: Topology) -> Iterator[Violation]:
    for region in topology.regions:
        for group in region.cluster.node_groups:
            try:
                node_machine(group.instance_type)
            except UnknownInstanceType as error:
                place = f"regions[{region.name}].cluster.node_groups[{group.name}]"
                yield Violation("unknown-instance-type", place, str(error))
        for tier in region.aurora:
            try:
                database_machine(tier.instance_class)
            except UnknownInstanceType as error:
                yield Violation("unknown-instance-type", f"regions[{region.name}].aurora[{tier.tier}]", str(error))
        kafka = region.kafka
        if kafka and not kafka.min_in_sync_replicas < kafka.replication_factor <= kafka.brokers:
            numbers = (
                f"{kafka.brokers} brokers, {kafka.replication_factor} replicas, {kafka.min_in_sync_replicas} in sync"
            )
            yield Violation("kafka-copies", f"regions[{region.name}].kafka", numbers)


def _calls(topology: Topology) -> Iterator[Violation]:
    names = {service.name for service in topology.services}
    for service in topology.services:
        for callee in service.calls:
            if callee not in names or callee == service.name:
                yield Violation("unknown-service", f"services[{service.name}].calls", f"{callee!r} cannot be called")


def _placement(topology: Topology) -> Iterator[Violation]:
    from bezant.topology.capacity.nodes import free_node  # noqa: PLC0415 - the capacity model reads this model
    from bezant.topology.capacity.pods import pod_request  # noqa: PLC0415

    groups = {group.name: group for group in topology.primary.cluster.node_groups}
    try:
        free = {name: free_node(topology.primary, group) for name, group in groups.items()}
    except UnknownInstanceType:
        return  # said by its own rule
    places: list[tuple[str, Workload]] = [(f"services[{service.name}]", service) for service in topology.services]
    places += [(f"platform[{workload.name}]", workload) for workload in topology.platform]
    for place, workload in places:
        wanted = workload.placement.node_group
        if wanted is not None and wanted not in groups:
            yield Violation("unknown-node-group", place, f"{wanted!r} is not among {', '.join(groups)}")
            continue
        allowed = [wanted] if wanted is not None and workload.placement.required else list(groups)
        need = pod_request(topology, workload)
        if not any(need.fits(free[name]) for name in allowed):
            offers = "; ".join(f"{name}: {free[name]}" for name in allowed) or "no node groups"
            yield Violation("service-fits-no-node-group", place, f"a pod needs {need}; an empty node has {offers}")


def _delivery(topology: Topology) -> Iterator[Violation]:
    for service in topology.services:
        place = f"services[{service.name}]"
        if service.canary is not None:
            weights = [step.weight for step in service.canary.steps]
            written = ", ".join(f"{weight:g} %" for weight in weights) or "no steps"
            if not weights or weights[-1] != 100:
                detail = f"the weights are {written}; the last must be 100 %"
                yield Violation("canary-incomplete", f"{place}.canary.steps", detail)
            elif weights[0] <= 0:
                yield Violation("canary-incomplete", f"{place}.canary.steps", f"{weights[0]:g} % shows nothing")
            elif any(later <= earlier for earlier, later in itertools.pairwise(weights)):
                yield Violation("canary-incomplete", f"{place}.canary.steps", f"the weights {written} do not rise")
        scaling = service.autoscaling
        if scaling is not None and not scaling.min_replicas <= service.replicas <= scaling.max_replicas:
            detail = f"{service.replicas} replicas, autoscaled {scaling.min_replicas} to {scaling.max_replicas}"
            yield Violation("autoscaling-range", f"{place}.autoscaling", detail)


_RULES: Final[tuple[Callable[[Topology], Iterator[Violation]], ...]] = (
    _names, _zones, _networks, _machines, _calls, _placement, _delivery,
)  # fmt: skip
