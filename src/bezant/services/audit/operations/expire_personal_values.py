"""Keep personal values no longer than the tenant wants: a setting, and the due work that carries it out."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.operations.append_entries import append_own_entry
from bezant.services.audit.storage import QUERIES

RETENTION_KIND: Final = "personal_retention"
"""The kind of due work."""
RETENTION_CHANGED: Final = "audit.retention_changed"
VALUES_EXPIRED: Final = "audit.personal_values_expired"
_BATCH: Final = 5_000
_AT_LEAST: Final = timedelta(minutes=10)
"""How long to wait before looking again: each look that finds something is an entry of the log."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long personal values are kept; None: until somebody erases them."""

    personal_values_days: int | None
    changed_by: str | None = None
    changed_at: datetime | None = None


async def read_retention(databases: TenantDatabases, tenant_id: UUID) -> Retention:
    """Return the tenant's setting."""
    async with databases.transaction(tenant_id) as tx:
        row = await tx.fetch_one(QUERIES["retention"])
    return Retention(None) if row is None else Retention(*row)


async def set_retention(databases: TenantDatabases, tenant_id: UUID, days: int | None, *, actor: str) -> Retention:
    """Change the setting, and say so in the log."""

    async def work(tx: TenantTransaction) -> Retention:
        async def change() -> dict[str, Any]:
            await tx.execute(QUERIES["set_retention"], {"days": days, "changed_by": actor})
            return {"personal_values_days": days}

        await append_own_entry(tx, RETENTION_CHANGED, actor=actor, data=change)
        row = await tx.fetch_one(QUERIES["retention"])
        return Retention(None) if row is None else Retention(*row)

    return await databases.run(tenant_id, work)


async def expire_personal_values(databases: TenantDatabases, tenant_id: UUID) -> datetime | None:
    """Erase what is older than the tenant keeps it, and return when there is more to do, or None."""

    async def work(tx: TenantTransaction) -> datetime | None:
        row = await tx.fetch_one(QUERIES["retention"])
        if row is None or row[0] is None:
            return None
        kept = timedelta(days=row[0])
        now = datetime.now(UTC)
        oldest = await tx.fetch_one(QUERIES["oldest_held"])
        if oldest is None:
            # Values that come later are found by the slow sweep, long before they are due.
            return None
        recorded_at: datetime = oldest[0]
        if recorded_at >= now - kept:
            return max(recorded_at + kept, now + _AT_LEAST)

        async def erase() -> dict[str, Any]:
            parameters = {"recorded_before": now - kept, "limit": _BATCH}
            erased = len(await tx.fetch_all(QUERIES["erase_expired_values"], parameters))
            return {"recorded_before": (now - kept).isoformat(), "erased_count": erased}

        done = await append_own_entry(tx, VALUES_EXPIRED, actor="service:audit", data=erase)
        return now if done["erased_count"] == _BATCH else now + _AT_LEAST

    return await databases.run(tenant_id, work)
