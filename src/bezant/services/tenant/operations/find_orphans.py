"""Find what was made for tenants and belongs to none: clusters, instances, snapshots, databases, secrets; its price.

A thing is looked for twice, with the registry read in between: an onboarding is registered before anything is made, and
what an offboarding was just removing is gone at the second look.
"""

from typing import Final
from uuid import UUID

import msgspec

from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.secrets import SecretStore
from bezant.services.tenant.provisioning.inventory import Resource
from bezant.services.tenant.provisioning.provisioner import Provisioner
from bezant.services.tenant.sagas.steps import QUERIES
from bezant.topology.cost.prices import PriceList

_HOURS_PER_DAY: Final = 24
_GIBIBYTE: Final = 1024**3
_TENANT_SECRETS: Final = "bezant/tenants/"
_ADMINISTRATORS: Final = "bezant/administrator/t-"


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """Something that belongs to no tenant. Prices are in US dollars a day, None where they are not known."""

    kind: str
    name: str
    tenant_id: UUID | None
    region: str | None
    cluster: str | None
    reason: str
    low_usd_per_day: float | None
    high_usd_per_day: float | None


async def find_orphans(
    control: ControlDatabase,
    secrets: SecretStore,
    provisioner: Provisioner,
    *,
    secrets_region: str | None,
    prices: PriceList,
) -> list[Orphan]:
    """Return the orphans by kind and name.

    `secrets_region` is where a secret is paid for, None where it costs nothing. Raises what the stores raise.
    """
    first = await _look(secrets, provisioner, secrets_region)
    owned = {row[0] for row in await control.fetch_all(QUERIES["tenants_of_resources"])}
    kept = {row[0] for row in await control.fetch_all(QUERIES["tenants_with_kept_exports"])}
    clusters = dict(await control.fetch_all(QUERIES["clusters_of_tenants"]))
    second = {_identity(resource) for resource in await _look(secrets, provisioner, secrets_region)}
    found = []
    for resource in first:
        reason = _reason(resource, owned, kept, clusters)
        if reason is not None and _identity(resource) in second:
            low, high = _price_a_day(resource, prices)
            found.append(
                Orphan(
                    kind=resource.kind, name=resource.name, tenant_id=resource.tenant_id, region=resource.region,
                    cluster=resource.cluster, reason=reason, low_usd_per_day=low, high_usd_per_day=high,
                )
            )  # fmt: skip
    return sorted(found, key=lambda orphan: (orphan.kind, orphan.name))


async def _look(secrets: SecretStore, provisioner: Provisioner, secrets_region: str | None) -> list[Resource]:
    found = await provisioner.inventory()
    for name in await secrets.names(_TENANT_SECRETS):
        tenant_id = _parsed(name.removeprefix(_TENANT_SECRETS).partition("/")[0])
        found.append(Resource(kind="secret", name=name, tenant_id=tenant_id, region=secrets_region))
    for name in await secrets.names(_ADMINISTRATORS):
        tenant_id = _parsed(name.removeprefix(_ADMINISTRATORS))
        found.append(Resource(kind="secret", name=name, tenant_id=tenant_id, region=secrets_region))
    return found


def _reason(resource: Resource, owned: set[UUID], kept: set[UUID], clusters: dict[UUID, str]) -> str | None:
    """Return why the resource is nobody's, None if it is somebody's."""
    tenant_id = resource.tenant_id
    if tenant_id is None:
        return "its name is no tenant's"
    if resource.kind == "snapshot":
        return None if tenant_id in owned or tenant_id in kept else "its tenant's export is not kept any more"
    if tenant_id not in owned:
        return "no tenant has it: its own is closed, failed or was never registered"
    if resource.kind == "secret":
        return None
    # Beside the control database there are no assignments, and only one place.
    place = clusters.get(tenant_id)
    on = resource.name if resource.kind in ("cluster", "global_cluster") else resource.cluster
    return None if place is None or on == place else f"its tenant's database is on {place}"


def _price_a_day(resource: Resource, prices: PriceList) -> tuple[float | None, float | None]:
    """Return (low, high), both None where the price is not known. Storage that grows by itself is not known."""
    days = prices.hours_per_month / _HOURS_PER_DAY
    size = None if resource.bytes is None else resource.bytes / _GIBIBYTE
    name, amount = {
        "instance": (f"aurora.{resource.instance_class}", float(_HOURS_PER_DAY)),
        "cluster": ("aurora.storage", None if size is None else size / days),
        "database": ("aurora.storage", None if size is None else size / days),
        "snapshot": ("aurora.backup", None if size is None else size / days),
        "secret": ("secrets.month", 1 / days),
    }.get(resource.kind, ("", None))
    price = None if resource.region is None else prices.find(name, resource.region)
    if price is None or amount is None:
        return None, None
    return round(price.low * amount, 6), round(price.high * amount, 6)


def _identity(resource: Resource) -> tuple[str | None, ...]:
    return resource.kind, resource.region, resource.cluster, resource.name


def _parsed(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
