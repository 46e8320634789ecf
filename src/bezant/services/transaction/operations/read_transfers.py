"""Read transfers: one, a page of all, a page of an account's, or what became of some."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bezant.contracts.internal.ledger import LookedUpTransfer, LookupTransfer
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.storage import HISTORY_QUERIES
from bezant.services.transaction.storage.history import StoredTransfer, stored_transfers, with_legs


@dataclass(frozen=True, slots=True)
class TransferPage:
    """Transfers, latest first. `next_place` says where the next page starts, None on the last."""

    transfers: list[StoredTransfer]
    next_place: tuple[datetime, UUID] | int | None


async def read_transfer(databases: TenantDatabases, tenant_id: UUID, transfer_id: UUID) -> StoredTransfer | None:
    """Return the transfer, or None."""

    async def work(tx: TenantTransaction) -> StoredTransfer | None:
        return (await stored_transfers(tx, [transfer_id])).get(transfer_id)

    return await databases.run(tenant_id, work)


async def list_transfers(
    databases: TenantDatabases, tenant_id: UUID, *, before: tuple[datetime, UUID], limit: int
) -> TransferPage:
    """Return up to `limit` transfers that come before `before` in the order of time and id."""

    async def work(tx: TenantTransaction) -> TransferPage:
        rows = await tx.fetch_all(
            HISTORY_QUERIES["transfers_page"],
            {"before_time": before[0], "before_id": before[1], "limit": limit + 1},
        )
        transfers = await with_legs(tx, rows[:limit])
        last = transfers[-1] if len(rows) > limit else None
        return TransferPage(transfers, (last.created_at, last.id) if last else None)

    return await databases.run(tenant_id, work)


async def list_transfers_of_account(
    databases: TenantDatabases, tenant_id: UUID, account_id: UUID, *, before_version: int, limit: int
) -> TransferPage:
    """Return up to `limit` transfers that touch the account before one of its versions."""

    async def work(tx: TenantTransaction) -> TransferPage:
        rows = await tx.fetch_all(
            HISTORY_QUERIES["transfers_of_account_page"],
            {"account_id": account_id, "before_version": before_version, "limit": limit + 1},
        )
        transfers = await with_legs(tx, rows[:limit])
        return TransferPage(transfers, rows[limit - 1][16] if len(rows) > limit else None)

    return await databases.run(tenant_id, work)


async def look_up_transfers(
    databases: TenantDatabases, tenant_id: UUID, questions: Sequence[LookupTransfer]
) -> list[LookedUpTransfer]:
    """Return what became of each transfer, in the order of the questions."""

    async def work(tx: TenantTransaction) -> dict[UUID, tuple[Any, ...]]:
        ids = [question.transfer_id for question in questions]
        rows = await tx.fetch_all(HISTORY_QUERIES["transfers_by_id"], {"transfer_ids": ids})
        return {row[0]: row for row in rows}

    rows = await databases.run(tenant_id, work)
    return [_looked_up(question.transfer_id, rows.get(question.transfer_id)) for question in questions]


def _looked_up(transfer_id: UUID, row: tuple[Any, ...] | None) -> LookedUpTransfer:
    if row is None:
        return LookedUpTransfer(transfer_id=transfer_id, found=False)
    return LookedUpTransfer(
        transfer_id=transfer_id,
        found=True,
        kind=row[1],
        currency=row[2],
        amount_minor=row[3],
        hold_state=row[11],
        posted_minor=row[12] or 0,
        resolved_by=row[14],
        reversed_by=row[15],
        created_at=row[10],
    )
