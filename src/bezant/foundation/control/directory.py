"""The tenant directory: what a service knows of each tenant, cached for seconds and dropped by events."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bezant.contracts.problems import NotFound
from bezant.foundation.control.database import QUERIES, ControlDatabase


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


class TenantDirectory:
    """Looks tenants up in the registry. A tenant that it has not heard of is looked up on its first request."""

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control
        self._ttl_seconds = control.settings.directory_cache_seconds
        self._cached: dict[UUID, tuple[float, TenantRecord]] = {}
        self._loading: dict[UUID, asyncio.Task[TenantRecord]] = {}

    async def get(self, tenant_id: UUID) -> TenantRecord:
        """Return the tenant, from the cache if it is fresh. Raises `NotFound`, `ControlUnavailable`."""
        cached = self._cached.get(tenant_id)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        # Concurrent first requests of one tenant share one look-up.
        task = self._loading.get(tenant_id)
        if task is None:
            task = asyncio.create_task(self._load(tenant_id))
            self._loading[tenant_id] = task
            task.add_done_callback(lambda done: self._loaded(tenant_id, done))
        try:
            return await asyncio.shield(task)
        except NotFound:
            raise
        except Exception:
            # A known tenant goes on being served while the control database is away.
            if cached is not None:
                return cached[1]
            raise

    async def refresh(self, tenant_id: UUID) -> TenantRecord:
        """Return the tenant as the registry has it now."""
        self.forget(tenant_id)
        return await self.get(tenant_id)

    def forget(self, tenant_id: UUID) -> None:
        """Drop what is cached: an event said that the tenant has changed."""
        self._cached.pop(tenant_id, None)
        # A look-up under way may have read before the change: it answers those who wait and is not kept.
        self._loading.pop(tenant_id, None)

    def _loaded(self, tenant_id: UUID, done: asyncio.Task[TenantRecord]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if self._loading.get(tenant_id) is done:
            del self._loading[tenant_id]
            if not failed:
                self._cached[tenant_id] = (time.monotonic() + self._ttl_seconds, done.result())

    async def _load(self, tenant_id: UUID) -> TenantRecord:
        row = await self._control.fetch_one(QUERIES["tenant_record"], {"tenant_id": tenant_id})
        if row is None:
            raise NotFound(f"there is no tenant {tenant_id}")
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

    async def tenants_with_databases(self) -> list[UUID]:
        """Return every tenant whose database is in use."""
        return [row[0] for row in await self._control.fetch_all(QUERIES["tenants_with_databases"])]
