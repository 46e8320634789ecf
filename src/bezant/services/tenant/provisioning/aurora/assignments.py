"""Which cluster each tenant's database is on: decided once, in the control database, before anything is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.database import load_queries
from bezant.services.tenant.provisioning.aurora import names
from bezant.services.tenant.provisioning.aurora.failures import ClustersFull

QUERIES = load_queries("bezant.services.tenant.storage", "queries.sql")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A tenant's place. `age_seconds` is how long ago it was given it."""

    tier: str
    region: str
    cluster: str
    age_seconds: float


def least_filled(capacities: Mapping[str, int], fill: Mapping[str, int]) -> str:
    """Return the cluster with the smallest part of its places taken, by name where several are alike.

    Raises `ClustersFull` when none has a place.
    """
    free = [name for name in capacities if fill.get(name, 0) < capacities[name]]
    if not free:
        taken = ", ".join(f"{name} {fill.get(name, 0)} of {capacities[name]}" for name in sorted(capacities))
        raise ClustersFull(
            f"every shared cluster is full ({taken}): add one to the topology model and deploy it, raise the tag "
            f"{names.TENANTS_TAG} of one that can take more, or register the tenant with the tier dedicated"
        )
    return min(free, key=lambda name: (fill.get(name, 0) / capacities[name], name))


class Assignments:
    """The registry's table of assignments, for the clusters of one region."""

    def __init__(self, control: ControlDatabase, *, region: str) -> None:
        self._control = control
        self._region = region

    async def find(self, tenant_id: UUID) -> Assignment | None:
        """Return where the tenant's database is (to be), None if nothing was begun or all of it is gone."""
        row = await self._control.fetch_one(QUERIES["get_assignment"], {"tenant_id": tenant_id})
        return None if row is None else Assignment(*row)

    async def assign_dedicated(self, tenant_id: UUID) -> None:
        """Give the tenant a cluster of its own, unless it has a place."""
        async with self._control.transaction() as connection:
            await connection.execute(QUERIES["lock_assignments"])
            known = await connection.execute(QUERIES["get_assignment"], {"tenant_id": tenant_id})
            if await known.fetchone() is None:
                cluster = names.dedicated_cluster(tenant_id)
                await connection.execute(
                    QUERIES["insert_assignment"],
                    {"tenant_id": tenant_id, "tier": "dedicated", "region": self._region, "cluster": cluster},
                )

    async def assign_shared(self, tenant_id: UUID, capacities: Mapping[str, int]) -> None:
        """Give the tenant a place on the least filled of these clusters, unless it has one.

        One process at a time counts and adds, so that no cluster gets more than it takes. Raises `ClustersFull`.
        """
        async with self._control.transaction() as connection:
            await connection.execute(QUERIES["lock_assignments"])
            known = await connection.execute(QUERIES["get_assignment"], {"tenant_id": tenant_id})
            if await known.fetchone() is not None:
                return
            counted = await connection.execute(QUERIES["assignments_by_cluster"], {"region": self._region})
            cluster = least_filled(capacities, {row[0]: row[1] for row in await counted.fetchall()})
            await connection.execute(
                QUERIES["insert_assignment"],
                {"tenant_id": tenant_id, "tier": "shared", "region": self._region, "cluster": cluster},
            )
