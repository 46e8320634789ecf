"""Other numbers of tenants and another placement tier: a changed topology, which can be checked like any other."""

import math
from typing import Literal

from bezant.topology.errors import WhatIfImpossible
from bezant.topology.model.data_stores import AuroraTier
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

_SCALED_USAGE = (
    "payments_per_month", "log_gigabytes", "traces_millions", "inter_zone_gigabytes", "cross_region_gigabytes",
    "egress_gigabytes", "nat_gigabytes", "load_balancer_capacity_units", "aurora_io_millions", "kms_requests_millions",
    "peak_payments_per_second",
)  # fmt: skip


def with_tenants(topology: Topology, tenants: int) -> Topology:
    """Return the deployment for so many tenants: clusters, secrets and whatever is metered grow in proportion; nodes
    stay, since the load of a tenant is not their unit. Raises `WhatIfImpossible`."""
    if tenants < 1:
        raise WhatIfImpossible(f"{tenants} tenants: at least 1 is needed")
    if topology.tenants < 1:
        raise WhatIfImpossible("the model has 0 tenants, so nothing can be scaled from it")
    factor = tenants / topology.tenants
    usage = {
        name: None if value is None else (round(value * factor) if isinstance(value, int) else value * factor)
        for name in _SCALED_USAGE
        if (value := getattr(topology.usage, name)) is not None
    }
    secrets = topology.secrets
    if secrets.stated_secrets is not None:
        tenant_secrets = secrets.stated_secrets - secrets.platform_secrets
        stated = secrets.platform_secrets + round(tenant_secrets * factor)
        secrets = secrets.model_copy(update={"stated_secrets": stated})
    regions = tuple(_scale_region(region, factor) for region in topology.regions)
    return topology.model_copy(
        update={
            "tenants": tenants, "regions": regions, "secrets": secrets,
            "usage": topology.usage.model_copy(update=usage),
        }
    )  # fmt: skip


def with_tier(topology: Topology, kind: Literal["shared", "dedicated"]) -> Topology:
    """Return the deployment with every tenant in one tier. Raises `WhatIfImpossible` if the model has no such tier."""
    regions = []
    for region in topology.regions:
        tiers = [tier for tier in region.aurora if tier.tier == kind]
        if not tiers:
            if region.role == "primary":
                raise WhatIfImpossible(f"{topology.name} has no {kind} tier in {region.name} to place tenants in")
            regions.append(region)
            continue
        others = [tier for tier in region.aurora if tier.tier not in ("control", kind) and not tier.alternative]
        everyone = [*tiers, *others]
        clusters = math.ceil(topology.tenants / max(1, tiers[0].tenants_per_cluster))
        chosen = _sized(tiers[0], clusters, region).model_copy(
            update={
                "alternative": False,
                "storage_gigabytes": _sum(everyone, "storage_gigabytes"),
                "backup_gigabytes": _sum(everyone, "backup_gigabytes"),
            }
        )
        control = tuple(tier for tier in region.aurora if tier.tier == "control")
        regions.append(region.model_copy(update={"aurora": (chosen, *control)}))
    return topology.model_copy(update={"regions": tuple(regions)})


def _sum(tiers: list[AuroraTier], unit: str) -> int | None:
    known = [value for tier in tiers if (value := getattr(tier, unit)) is not None]
    return sum(known) if known else None


def _scale_region(region: Region, factor: float) -> Region:
    tiers = tuple(
        tier
        if tier.tier == "control"
        else _sized(tier, math.ceil(tier.clusters * factor - 1e-9), region).model_copy(
            update={
                "storage_gigabytes": _scaled(tier.storage_gigabytes, factor),
                "backup_gigabytes": _scaled(tier.backup_gigabytes, factor),
            }
        )
        for tier in region.aurora
    )
    return region.model_copy(update={"aurora": tiers})


def _scaled(value: int | None, factor: float) -> int | None:
    return None if value is None else round(value * factor)


def _sized(tier: AuroraTier, clusters: int, region: Region) -> AuroraTier:
    """Return the tier with so many clusters, its writers spread evenly if they were spread."""
    zones = region.availability_zones
    used = [zone for zone, count in tier.writers_by_zone.items() if count] or list(zones)
    among = used if len(used) == 1 and tier.clusters > 1 else list(zones)
    writers = {zone: clusters // len(among) + (number < clusters % len(among)) for number, zone in enumerate(among)}
    return tier.model_copy(update={"clusters": clusters, "writers_by_zone": writers})
