"""Read the log."""

from collections import defaultdict
from typing import Any
from uuid import UUID

import msgspec

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.domain.commitments import pointers_of_commitments
from bezant.services.audit.domain.entries import Entry, EntryFilter, ShownValue
from bezant.services.audit.domain.problems import EntryNotFound
from bezant.services.audit.storage import QUERIES


async def list_entries(
    databases: TenantDatabases, tenant_id: UUID, *, wanted: EntryFilter, from_position: int, limit: int
) -> list[Entry]:
    """Return at most `limit` entries from a position on, oldest first."""
    async with databases.transaction(tenant_id) as tx:
        rows = await tx.fetch_all(
            QUERIES["list_entries"],
            {
                "from_position": from_position,
                "event_type": wanted.type,
                "subject": wanted.subject,
                "actor": wanted.actor,
                "occurred_from": wanted.occurred_from,
                "occurred_before": wanted.occurred_before,
                "limit": limit,
            },
        )
        return await with_personal_values(tx, rows)


async def read_entry(databases: TenantDatabases, tenant_id: UUID, entry_id: UUID) -> Entry:
    """Return one entry. Raises `EntryNotFound`."""
    async with databases.transaction(tenant_id) as tx:
        row = await tx.fetch_one(QUERIES["entry_by_id"], {"entry_id": entry_id})
        if row is None:
            raise EntryNotFound(f"There is no audit entry {entry_id}.")
        (entry,) = await with_personal_values(tx, [row])
        return entry


async def with_personal_values(tx: TenantTransaction, rows: list[tuple[Any, ...]]) -> list[Entry]:
    """Return entries with what is still held of their personal values."""
    held: dict[int, dict[str, ShownValue]] = defaultdict(dict)
    positions = [row[0] for row in rows]
    for position, pointer, salt, value in await tx.fetch_all(QUERIES["personal_values_of"], {"positions": positions}):
        held[position][pointer] = ShownValue(pointer, erased=False, value=msgspec.json.decode(value), salt=salt)
    return [_entry(row, held[row[0]]) for row in rows]


def _entry(row: tuple[Any, ...], held: dict[str, ShownValue]) -> Entry:
    pointers = pointers_of_commitments(msgspec.json.decode(row[8]).get("data"))
    values: list[Any] = [*row, [held.get(pointer) or ShownValue(pointer, erased=True) for pointer in pointers]]
    return Entry(*values)
