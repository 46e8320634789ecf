"""The tenant directory: what a service knows of each tenant, cached for seconds and dropped by events."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bezant.contracts.problems import NotFound
from bezant.foundation.control.database import QUERIES, ControlDatabase
from bezant.foundation.control.remembered import PAGE_ROWS, Answer, Remembered


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a database server listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """One tenant as the registry has it. `writer` is None until its database has been provisioned."""

    id: UUID
    slug: str
    status: str
    default_currency: str
    policies: dict[str, Any]
    rate_limit_per_second: int
    credential_version: int
    writer: Endpoint | None
    reader: Endpoint | None
    database_name: str | None


def _record(row: tuple[Any, ...]) -> TenantRecord:
    placed = row[11] is not None
    return TenantRecord(
        id=row[0],
        slug=row[1],
        status=row[2],
        default_currency=row[3],
        policies=row[4],
        rate_limit_per_second=row[5],
        credential_version=row[6],
        writer=Endpoint(row[7], row[8]) if placed else None,
        reader=Endpoint(row[9], row[10]) if placed else None,
        database_name=row[11],
    )


class TenantDirectory:
    """Looks tenants up in the registry. A tenant that it has not heard of is looked up on its first request.

    A known tenant goes on being served while the control database is away, as long as `Remembered` says.
    """

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control
        self._remembered: Remembered[UUID, TenantRecord] = Remembered(
            control, self._load, fresh_seconds=control.settings.directory_cache_seconds
        )

    async def get(self, tenant_id: UUID) -> TenantRecord:
        """Return the tenant, from memory if it is fresh. Raises `NotFound`, `ControlUnavailable`."""
        return await self._remembered.get(tenant_id)

    async def latest(self, tenant_id: UUID) -> TenantRecord:
        """Return the tenant as the registry has it now, or as it last was while the control database is away.

        Raises `NotFound`, `ControlUnavailable`.
        """
        return await self._remembered.get(tenant_id, fresh_seconds=0)

    async def refresh(self, tenant_id: UUID) -> TenantRecord:
        """Return the tenant as the registry has it now. Raises `NotFound`, `ControlUnavailable`."""
        return await self._remembered.renew(tenant_id)

    def forget(self, tenant_id: UUID) -> None:
        """Drop what is remembered: an event said that the tenant has changed."""
        self._remembered.forget(tenant_id)

    async def learn(self) -> None:
        """Read all tenants in use, so that they are served through an outage. Raises `ControlUnavailable`."""
        await self._remembered.learn(UUID(int=0), self._page)

    async def _load(self, tenant_id: UUID) -> Answer[TenantRecord]:
        row = await self._control.fetch_one(QUERIES["tenant_record"], {"tenant_id": tenant_id})
        if row is None:
            raise NotFound(f"there is no tenant {tenant_id}")
        return Answer(_record(row))

    async def _page(self, after: UUID) -> list[tuple[UUID, Answer[TenantRecord]]]:
        rows = await self._control.fetch_all(QUERIES["tenant_records"], {"after": after, "rows": PAGE_ROWS})
        return [(row[0], Answer(_record(row))) for row in rows]

    async def tenants_with_databases(self) -> list[UUID]:
        """Return every tenant whose database is in use."""
        return [row[0] for row in await self._control.fetch_all(QUERIES["tenants_with_databases"])]
