"""Write what a group of commands came to: one statement for transfers, lines and events, whatever the group's size."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from bezant.foundation.tenancy import TenantTransaction
from bezant.services.transaction.domain.book import Decided, Hold, NewTransfer
from bezant.services.transaction.events.publishes import transfer_event
from bezant.services.transaction.storage import QUERIES

_encoder = msgspec.json.Encoder()


async def write_decided(tx: TenantTransaction, decided: Decided) -> None:
    """Insert transfers with entries, events and holds, and update resolved holds; the database moves the balances."""
    if not decided.transfers:
        return
    await _insert_transfers(tx, decided.transfers)
    if decided.holds_made:
        await _insert_holds(tx, decided.holds_made)
    if decided.holds_resolved:
        await tx.execute(
            QUERIES["resolve_holds"],
            {
                "transfer_ids": [hold.transfer_id for hold in decided.holds_resolved],
                "states": [hold.state for hold in decided.holds_resolved],
                "posted_amounts": [hold.posted_amount_minor for hold in decided.holds_resolved],
                "resolved_by": [hold.resolved_by for hold in decided.holds_resolved],
            },
        )


class _Transfer(msgspec.Struct):
    id: UUID
    kind: str
    currency: str
    amount_minor: int
    line_count: int
    pending_id: UUID | None
    reverses_id: UUID | None
    batch_id: UUID | None
    origin: str
    reference: str
    metadata: Any
    fingerprint: str
    actor: str


class _Line(msgspec.Struct):
    transfer_id: UUID
    leg: int
    account_id: UUID
    direction: str
    phase: str
    amount_minor: int
    limit_day: date | None
    version: int
    balance: str


async def _insert_transfers(tx: TenantTransaction, transfers: list[NewTransfer]) -> None:
    rows = [
        _Transfer(
            t.id, t.kind, t.currency, t.amount_minor, len(t.entries), t.pending_id, t.reverses_id, t.batch_id,
            t.origin, t.reference, t.metadata, f"\\x{t.fingerprint.hex()}", t.actor,
        )
        for t in transfers
    ]  # fmt: skip
    lines = [
        _Line(
            e.transfer_id, e.leg, e.account_id, e.direction, e.phase, e.amount_minor, e.limit_day, e.account_version,
            # beyond 64 bits, perhaps
            str(e.balance_after_minor),
        )
        for t in transfers for e in t.entries
    ]  # fmt: skip
    await tx.announce(
        QUERIES["insert_transfers"],
        {
            "transfers": _encoder.encode(rows).decode(),
            "lines": _encoder.encode(lines).decode(),
            "created_at": transfers[0].created_at,
        },
        [(transfer.id, transfer_event(transfer)) for transfer in transfers],
    )


async def _insert_holds(tx: TenantTransaction, holds: list[Hold]) -> None:
    await tx.execute(
        QUERIES["insert_holds"],
        {
            "transfer_ids": [hold.transfer_id for hold in holds],
            "states": [hold.state for hold in holds],
            "amounts": [hold.amount_minor for hold in holds],
            "posted_amounts": [hold.posted_amount_minor for hold in holds],
            "expiries": [hold.expires_at for hold in holds],
            "limit_days": [hold.limit_day for hold in holds],
            "resolved_by": [hold.resolved_by for hold in holds],
        },
    )
