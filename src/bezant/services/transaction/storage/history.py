"""Read transfers as they are now, with their legs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bezant.contracts.internal.ledger import HoldState, Leg, Origin, TransferKind
from bezant.foundation.tenancy import TenantTransaction
from bezant.services.transaction.storage import HISTORY_QUERIES


@dataclass(frozen=True, slots=True)
class StoredTransfer:
    """A transfer as it is now. `legs`: what it posted, holds, or (void, expiry) released."""

    id: UUID
    kind: TransferKind
    currency: str
    amount_minor: int
    pending_id: UUID | None
    reverses_id: UUID | None
    batch_id: UUID | None
    origin: Origin
    reference: str
    metadata: dict[str, str]
    created_at: datetime
    hold_state: HoldState | None
    posted_amount_minor: int | None
    expires_at: datetime | None
    resolved_by: UUID | None
    reversed_by: UUID | None
    legs: tuple[Leg, ...]


async def stored_transfers(tx: TenantTransaction, transfer_ids: Sequence[UUID]) -> dict[UUID, StoredTransfer]:
    """Return those of the named transfers that exist."""
    rows = await tx.fetch_all(HISTORY_QUERIES["transfers_by_id"], {"transfer_ids": list(transfer_ids)})
    return {transfer.id: transfer for transfer in await with_legs(tx, rows)}


async def with_legs(tx: TenantTransaction, rows: Sequence[tuple[Any, ...]]) -> list[StoredTransfer]:
    """Return the transfers of rows of any of the history's queries, their legs added in one query for all."""
    if not rows:
        return []
    lines: defaultdict[UUID, list[tuple[Leg, str]]] = defaultdict(list)
    for transfer_id, account_id, direction, amount_minor, phase in await tx.fetch_all(
        HISTORY_QUERIES["legs"], {"transfer_ids": [row[0] for row in rows]}
    ):
        lines[transfer_id].append((Leg(account_id, direction, amount_minor), phase))
    transfers = []
    for row in rows:
        legs = tuple(leg for leg, phase in lines[row[0]] if row[1] != "post" or phase == "posted")
        values = (*row[:16], legs)
        transfers.append(StoredTransfer(*values))
    return transfers
