"""Default quotas of an AWS account."""

from collections.abc import Iterator

from bezant.topology.machines import node_machine
from bezant.topology.rules.addresses import nodes_at_most
from bezant.topology.rules.rule import Deployment, Found, rule

_RDS = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/CHAP_Limits.html"
_EC2 = "https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html"


@rule(
    "quota-aurora-clusters", "error", "Aurora clusters stay within the quota",
    reason="The 41st cluster of a region is refused until AWS raises the quota, which is not a matter of minutes.",
    source=_RDS, assumes=("quota_aurora_clusters",),
)  # fmt: skip
def clusters(deployment: Deployment) -> Iterator[Found]:
    """Clusters per region."""
    for region in deployment.topology.regions:
        count = sum(tier.clusters for tier in region.aurora if not tier.alternative)
        quota = deployment.assumptions.quota_aurora_clusters
        if count > quota:
            yield Found(
                f"regions[{region.name}].aurora", f"{count} clusters against a quota of {quota}",
                (" + ".join(f"{tier.clusters} {tier.tier}" for tier in region.aurora if not tier.alternative)
                 + f" = {count} > {quota}",),
                "shared clusters with a database for each tenant; dedicated ones for those who pay for them",
            )  # fmt: skip


@rule(
    "quota-aurora-instances", "error", "Aurora instances stay within the quota",
    reason="The 41st instance of a region is refused: a cluster without readers, or none at all.",
    source=_RDS, assumes=("quota_aurora_instances",),
)  # fmt: skip
def instances(deployment: Deployment) -> Iterator[Found]:
    """Writers and readers per region."""
    for region in deployment.topology.regions:
        tiers = [tier for tier in region.aurora if not tier.alternative]
        count = sum(tier.instances for tier in tiers)
        quota = deployment.assumptions.quota_aurora_instances
        if count > quota:
            terms = " + ".join(f"{tier.clusters} × (1 + {tier.readers_per_cluster})" for tier in tiers)
            yield Found(
                f"regions[{region.name}].aurora", f"{count} instances against a quota of {quota}",
                (f"{terms} = {count} > {quota}",), "fewer clusters, or a raised quota before the launch",
            )  # fmt: skip


@rule(
    "quota-vcpus", "error", "Nodes at their bound stay within the vCPU quota",
    reason="The autoscaler's last nodes are refused exactly when load is highest.",
    source=_EC2, assumes=("quota_standard_vcpus",),
)  # fmt: skip
def vcpus(deployment: Deployment) -> Iterator[Found]:
    """Every group at its bound."""
    for region in deployment.topology.regions:
        counts, zones = nodes_at_most(deployment, region), len(region.availability_zones)
        terms, total = [], 0
        for group in region.cluster.node_groups:
            each = node_machine(group.instance_type).vcpus
            terms.append(f"{counts[group.name] * zones} × {each}")
            total += counts[group.name] * zones * each
        quota = deployment.assumptions.quota_standard_vcpus
        if total > quota:
            yield Found(
                f"regions[{region.name}].cluster.node_groups", f"{total} vCPUs against a quota of {quota}",
                (f"{' + '.join(terms)} = {total} > {quota}",), "raise the quota before the launch",
            )  # fmt: skip


@rule(
    "quota-elastic-addresses",
    "error",
    "NAT gateways stay within the quota of Elastic IP addresses",
    reason="Each public NAT gateway needs one.",
    source="https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html",
    assumes=("quota_elastic_addresses",),
)
def elastic_addresses(deployment: Deployment) -> Iterator[Found]:
    """NAT gateways per region."""
    for region in deployment.topology.regions:
        count = len(region.network.nat_gateway_zones)
        quota = deployment.assumptions.quota_elastic_addresses
        if count > quota:
            yield Found(
                f"regions[{region.name}].network.nat_gateway_zones", f"{count} gateways, {quota} addresses",
                (f"{count} > {quota}",), "raise the quota, or one gateway a zone",
            )  # fmt: skip
