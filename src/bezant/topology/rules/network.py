"""Networks, gateways and load balancers."""

from collections.abc import Iterator

from bezant.topology.rules.rule import Deployment, Found, rule

_TIERS = ("public", "nodes", "isolated")


@rule(
    "region-without-network", "error", "Every region has a network",
    reason="Nothing can be deployed, peered or failed over to without addresses that do not overlap.",
    source="https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html",
)  # fmt: skip
def region_network(deployment: Deployment) -> Iterator[Found]:
    """Regions without a CIDR."""
    taken = [region.network.cidr for region in deployment.topology.regions if region.network.cidr is not None]
    for region in deployment.topology.regions:
        if region.network.cidr is None:
            yield Found(
                f"regions[{region.name}].network.cidr", f"no network is given for {region.name}",
                (f"0 of {len(region.availability_zones)} zones have subnets; taken elsewhere: {', '.join(taken)}",),
                "10.1.0.0/16, which overlaps nothing, with subnets like the primary's",
            )  # fmt: skip


@rule(
    "subnet-missing", "error", "Every zone has a public, a node and an isolated subnet",
    reason="A zone without one of them takes no part in what lives there.",
    source="https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html",
)  # fmt: skip
def subnets(deployment: Deployment) -> Iterator[Found]:
    """Each zone against the three tiers."""
    for region in deployment.topology.regions:
        if region.network.cidr is None:
            continue
        have = {(subnet.tier, subnet.zone) for subnet in region.network.subnets}
        for zone in region.availability_zones:
            missing = [tier for tier in _TIERS if (tier, zone) not in have]
            if missing:
                yield Found(
                    f"regions[{region.name}].network.subnets", f"{zone} has no {' and no '.join(missing)} subnet",
                    (f"{3 - len(missing)} of 3 tiers in {zone}",), "a subnet of each tier in each zone",
                )  # fmt: skip


@rule(
    "zones-too-few", "error", "The primary region spans three zones",
    reason="Quorums (Kafka, 3 replicas) and a third of spare capacity instead of a half want three zones.",
    source="https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/availability-zones.html",
)  # fmt: skip
def zones(deployment: Deployment) -> Iterator[Found]:
    """Zones of the primary."""
    count = len(deployment.topology.primary.availability_zones)
    if count < 3:
        yield Found(
            f"regions[{deployment.topology.primary.name}].availability_zones", f"only {count} zones",
            (f"{count} < 3: one lost leaves {(count - 1) / count * 100:.0f} %",), "three zones",
        )  # fmt: skip


@rule(
    "load-balancer-per-zone",
    "error",
    "One Application Load Balancer spans the zones",
    reason="An ALB is regional and needs subnets of two zones at least; one per zone triples the bill and the names, "
    "and a lost zone takes its share of clients with it.",
    source="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html",
)
def load_balancers(deployment: Deployment) -> Iterator[Found]:
    """Balancers that do not span the region's zones."""
    for region in deployment.topology.regions:
        narrow = [one for one in region.load_balancers if len(one.zones) < len(region.availability_zones)]
        if narrow:
            names = ", ".join(
                f"{one.name} in {len(one.zones)} of {len(region.availability_zones)} zones" for one in narrow
            )
            yield Found(
                f"regions[{region.name}].load_balancers",
                f"{len(region.load_balancers)} load balancers are drawn where one regional ALB spans the subnets",
                (names,), "one ALB with a subnet in each zone",
            )  # fmt: skip
        elif not region.load_balancers and region.network.cidr is not None:
            yield Found(
                f"regions[{region.name}].load_balancers", "no load balancer, so no way in", ("0",), "one ALB",
            )  # fmt: skip


@rule(
    "nat-gateway-missing",
    "error",
    "Every zone has its own NAT gateway",
    reason="A NAT gateway lives in one zone; with fewer, losing that zone cuts others off, and traffic crosses zones.",
    source="https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html",
)
def nat(deployment: Deployment) -> Iterator[Found]:
    """Zones without one."""
    for region in deployment.topology.regions:
        bare = [zone for zone in region.availability_zones if zone not in region.network.nat_gateway_zones]
        if bare and region.network.cidr is not None:
            yield Found(
                f"regions[{region.name}].network.nat_gateway_zones", f"no NAT gateway in {', '.join(bare)}",
                (f"{len(region.availability_zones) - len(bare)} of {len(region.availability_zones)} zones",),
                "one NAT gateway in each zone",
            )  # fmt: skip
