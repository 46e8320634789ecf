"""How what is made for one tenant is called and tagged: the same at every attempt, so that an attempt finds what an
earlier one made. RDS has no client tokens; the identifier is what makes its requests idempotent.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from bezant.services.tenant.provisioning.aurora.failures import NotOurs

PREFIX: Final = "bezant-"
ADMINISTRATOR: Final = "bezant_administrator"
"""The master user of every cluster, as in the stacks."""
_DEDICATED: Final = f"{PREFIX}t-"

MODEL_TAG: Final = "bezant:model"
TIER_TAG: Final = "bezant:tier"
TENANT_TAG: Final = "bezant:tenant"
TENANTS_TAG: Final = "bezant:tenants"
"""On a shared cluster: how many tenants it takes."""


def dedicated_cluster(tenant_id: UUID) -> str:
    """Return the identifier of a tenant's own cluster, of its global cluster, and the stem of its instances'."""
    return f"{_DEDICATED}{tenant_id.hex}"


def tenant_of(identifier: str) -> UUID | None:
    """Return whose a cluster, an instance or an administrator's secret is by its name; None: not one tenant's."""
    rest = identifier.removeprefix(_DEDICATED)
    try:
        return UUID(hex=rest[:32]) if rest != identifier else None
    except ValueError:
        return None


def instance(cluster: str, number: int) -> str:
    """Return the identifier of an instance; 0 is the first writer."""
    return f"{cluster}-{number}"


def final_snapshot(tenant_id: UUID) -> str:
    """Return the identifier of the snapshot that an offboarding leaves."""
    return f"{dedicated_cluster(tenant_id)}-final"


def administrator_secret(cluster: str) -> str:
    """Return where the password of a cluster's master user is kept, with the keys `username` and `password`."""
    return f"bezant/administrator/{cluster.removeprefix(PREFIX)}"


def tags(model: str, tenant_id: UUID) -> list[dict[str, str]]:
    """Return the tags of what is made for one tenant."""
    values = {MODEL_TAG: model, TIER_TAG: "dedicated", TENANT_TAG: str(tenant_id)}
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tag_values(resource: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a described resource."""
    listed: Iterable[Mapping[str, str]] = resource.get("TagList") or ()
    return {tag["Key"]: tag["Value"] for tag in listed}


def require_own(cluster: Any | None, tenant_id: UUID, *, region: str) -> Any | None:
    """Return a described cluster of the tenant's name, None if there is none. Raises `NotOurs` without our tag."""
    if cluster is not None and tag_values(cluster).get(TENANT_TAG) != str(tenant_id):
        raise NotOurs(
            f"there is a cluster {dedicated_cluster(tenant_id)} in {region} without the tag {TENANT_TAG} of this "
            "tenant. It is left alone: find out whose it is, tag or remove it, then ask for the operation again"
        )
    return cluster
