"""Databases, cache and secrets: where they stand and whether their numbers agree."""

import math
from collections.abc import Iterator

from bezant.topology.rules.rule import Deployment, Found, rule

_AURORA_HA = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Concepts.AuroraHighAvailability.html"


@rule(
    "tenants-placed-twice", "error", "Each tenant's database is in one place",
    reason="A document that draws a shared cluster and a cluster for each tenant describes two systems.",
    source="the architecture document: its first and its fourth diagram",
)  # fmt: skip
def placed_twice(deployment: Deployment) -> Iterator[Found]:
    """Tiers that draw the same tenants again."""
    for region in deployment.topology.regions:
        for tier in region.aurora:
            if tier.alternative:
                room = tier.clusters * tier.tenants_per_cluster
                others = sum(t.clusters * t.tenants_per_cluster for t in region.aurora if not t.alternative)
                yield Found(
                    f"regions[{region.name}].aurora[{tier.tier}]",
                    f"{room} tenants are drawn on {tier.clusters} {tier.tier} cluster, and again on {others} others",
                    (f"{room} + {others} places for {deployment.topology.tenants} tenants",),
                    "placement tiers: shared clusters, and dedicated ones for some",
                )  # fmt: skip


@rule(
    "tenants-unplaced", "error", "There is a place for every tenant",
    reason="The last tenants cannot be onboarded.", source="docs/topology.md, Placement tiers",
)  # fmt: skip
def unplaced(deployment: Deployment) -> Iterator[Found]:
    """Places against tenants, in each region that has databases."""
    for region in deployment.topology.regions:
        tiers = [tier for tier in region.aurora if not tier.alternative]
        places = sum(tier.clusters * tier.tenants_per_cluster for tier in tiers)
        if tiers and places < deployment.topology.tenants:
            terms = " + ".join(f"{tier.clusters} × {tier.tenants_per_cluster}" for tier in tiers)
            yield Found(
                f"regions[{region.name}].aurora", f"{places} places for {deployment.topology.tenants} tenants",
                (f"{terms} = {places}",), "one more cluster",
            )  # fmt: skip


@rule(
    "writers-in-one-zone", "error", "Writers are spread over the zones",
    reason="When the zone of every writer is lost, every tenant is down at once, and all fail over together.",
    source=_AURORA_HA,
)  # fmt: skip
def writers(deployment: Deployment) -> Iterator[Found]:
    """The fullest zone against an even share, over all tiers together and within each."""
    for region in deployment.topology.regions:
        for tier in region.aurora:
            place = f"regions[{region.name}].aurora[{tier.tier}].writers_by_zone"
            placed = sum(tier.writers_by_zone.values())
            if placed != tier.clusters:
                yield Found(
                    place,
                    f"{placed} writers are placed for {tier.clusters} clusters",
                    (f"{' + '.join(str(n) for n in tier.writers_by_zone.values()) or '0'} = {placed}",),
                    "one a cluster",
                )
                continue
            fair = math.ceil(tier.clusters / len(region.availability_zones))
            zone, most = max(tier.writers_by_zone.items(), key=lambda item: item[1], default=("", 0))
            if most > fair:
                yield Found(
                    place, f"{most} of {tier.clusters} writers stand in {zone}",
                    (f"{tier.clusters} clusters / {len(region.availability_zones)} zones = {fair} at most in one",),
                    "spread the writers evenly",
                )  # fmt: skip


@rule(
    "reader-missing", "error", "Every cluster of the primary region has a reader in another zone",
    reason="Without a reader to promote, a lost writer is created anew, which takes ten minutes instead of one.",
    source=_AURORA_HA,
)  # fmt: skip
def readers(deployment: Deployment) -> Iterator[Found]:
    """Clusters without readers."""
    region = deployment.topology.primary
    for tier in region.aurora:
        if tier.readers_per_cluster < 1:
            yield Found(
                f"regions[{region.name}].aurora[{tier.tier}].readers_per_cluster",
                f"{tier.clusters} clusters have no reader", ("0 < 1",), "one reader a cluster",
            )  # fmt: skip


@rule(
    "serverless-or-provisioned", "warning", "An Aurora tier is either serverless or of an instance class",
    reason="The two are scaled, limited and billed in different ways.",
    source="https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.html",
)  # fmt: skip
def serverless(deployment: Deployment) -> Iterator[Found]:
    """Tiers that say both."""
    for region in deployment.topology.regions:
        for tier in region.aurora:
            if tier.serverless:
                yield Found(
                    f"regions[{region.name}].aurora[{tier.tier}]",
                    f"said to be Serverless v2, drawn and billed as {tier.instance_class}",
                    (f"{tier.instances} × {tier.instance_class} in the bill",), "one of the two",
                )  # fmt: skip


@rule(
    "valkey-replica-zone", "error", "A shard's replicas stand in other zones than its primary",
    reason="A replica beside its primary is lost with it.",
    source="https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/AutoFailover.html",
)  # fmt: skip
def replica_zone(deployment: Deployment) -> Iterator[Found]:
    """Each shard."""
    for region in deployment.topology.regions:
        for number, shard in enumerate(region.valkey.shards if region.valkey else ()):
            place = f"regions[{region.name}].valkey.shards[{number}]"
            if all(zone == shard.primary_zone for zone in shard.replica_zones):
                count = len(shard.replica_zones)
                what = f"all {count} replicas stand in {shard.primary_zone}" if count else "there is no replica"
                yield Found(
                    place, f"{what}: the shard goes with its zone",
                    (f"primary {shard.primary_zone}, replicas {', '.join(shard.replica_zones) or 'none'}",),
                    "a replica in another zone",
                )  # fmt: skip


@rule(
    "valkey-zone-quorum", "error", "No zone holds most primaries of the cache",
    reason="Valkey elects by majority of primaries: a zone with most of them takes the vote with it.",
    source="https://valkey.io/topics/cluster-spec/#replica-election-and-promotion",
)  # fmt: skip
def cache_quorum(deployment: Deployment) -> Iterator[Found]:
    """Primaries by zone."""
    for region in deployment.topology.regions:
        shards = region.valkey.shards if region.valkey else ()
        for zone in region.availability_zones:
            count = sum(shard.primary_zone == zone for shard in shards)
            if count * 2 > len(shards):
                yield Found(
                    f"regions[{region.name}].valkey", f"{zone} holds {count} of {len(shards)} primaries",
                    (f"{count} > {len(shards)} / 2",), "one primary a zone",
                )  # fmt: skip


@rule(
    "secret-count", "error", "The number of secrets is the same everywhere",
    reason="A key that onboarding does not write is one that a service cannot read; each secret is billed.",
    source="https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html",
)  # fmt: skip
def secrets(deployment: Deployment) -> Iterator[Found]:
    """Keys drawn, keys written and the stated number."""
    topology = deployment.topology
    secrets_, tenants = topology.secrets, topology.tenants
    missing = [key for key in secrets_.drawn_keys if key not in secrets_.onboarding_keys]
    if missing:
        yield Found(
            "secrets.onboarding_keys", f"onboarding never writes {', '.join(missing)}",
            (f"{len(secrets_.drawn_keys)} keys drawn, {len(secrets_.onboarding_keys)} written",), "write every key",
        )  # fmt: skip
    if secrets_.layout == "one_per_key":
        each, what = len(secrets_.drawn_keys), "keys"
    else:
        each, what = sum(service.tenant_databases for service in topology.services), "services"
    derived = tenants * each + secrets_.platform_secrets
    if secrets_.stated_secrets is not None and secrets_.stated_secrets != derived:
        yield Found(
            "secrets.stated_secrets",
            f"{secrets_.stated_secrets} secrets are stated, {derived} follow",
            (
                f"{tenants} tenants × {each} {what} + {secrets_.platform_secrets} = {derived}",
                f"with the {len(secrets_.onboarding_keys)} keys of onboarding: "
                f"{tenants * len(secrets_.onboarding_keys)}",
            ),
            "one JSON secret for each tenant and service",
        )


@rule(
    "encryption-missing", "error", "Everything is encrypted at rest and in transit",
    reason="Payments data on a lost volume or an open wire is a reportable breach.",
    source="https://docs.aws.amazon.com/wellarchitected/latest/security-pillar/data-protection.html",
    stated=lambda topology: "by the model; `make test-chart` and `make test-infra` look at manifests and templates",
)  # fmt: skip
def encryption(deployment: Deployment) -> Iterator[Found]:
    """Both, or a finding."""
    security = deployment.topology.security
    for name in ("encrypted_at_rest", "encrypted_in_transit"):
        if not getattr(security, name):
            what = name.replace("_", " ")
            yield Found(f"security.{name}", f"data is not {what}", (f"{name}: false",), "true")


@rule(
    "credentials-never-rotated", "warning", "Database passwords are rotated within a quarter",
    reason="A password that leaked once opens the database until it is changed; the pools take a new one under load.",
    source="https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets.html",
    stated=lambda topology: "`make test-infra` looks at administrators' rotation; tenants' is a request to the API",
)  # fmt: skip
def rotation(deployment: Deployment) -> Iterator[Found]:
    """At most 90 days."""
    days = deployment.topology.security.credential_rotation_days
    if days is None or days > 90:
        said = "no rotation is stated" if days is None else f"every {days} days"
        yield Found("security.credential_rotation_days", said, (f"{said}; 90 days at most",), "every 30 days")
