"""Write what a group of commands came to: one statement for each kind of row, whatever the group's size."""

import msgspec

from bezant.foundation.tenancy import TenantTransaction
from bezant.services.transaction.domain.book import Decided, Hold, NewTransfer
from bezant.services.transaction.storage import QUERIES

_encoder = msgspec.json.Encoder()


async def write_decided(tx: TenantTransaction, decided: Decided) -> None:
    """Insert transfers, entries and holds and update resolved holds; the database moves the balances."""
    if not decided.transfers:
        return
    await _insert_transfers(tx, decided.transfers)
    await _insert_entries(tx, decided.transfers)
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


async def _insert_transfers(tx: TenantTransaction, transfers: list[NewTransfer]) -> None:
    await tx.execute(
        QUERIES["insert_transfers"],
        {
            "ids": [t.id for t in transfers],
            "kinds": [t.kind for t in transfers],
            "currencies": [t.currency for t in transfers],
            "amounts": [t.amount_minor for t in transfers],
            "line_counts": [len(t.entries) for t in transfers],
            "pending_ids": [t.pending_id for t in transfers],
            "reverses_ids": [t.reverses_id for t in transfers],
            "batch_ids": [t.batch_id for t in transfers],
            "origins": [t.origin for t in transfers],
            "references": [t.reference for t in transfers],
            "metadata": [_encoder.encode(t.metadata).decode() for t in transfers],
            "fingerprints": [t.fingerprint for t in transfers],
            "actors": [t.actor for t in transfers],
            "created_at": transfers[0].created_at,
        },
    )


async def _insert_entries(tx: TenantTransaction, transfers: list[NewTransfer]) -> None:
    entries = [entry for transfer in transfers for entry in transfer.entries]
    await tx.execute(
        QUERIES["insert_entries"],
        {
            "transfer_ids": [e.transfer_id for e in entries],
            "legs": [e.leg for e in entries],
            "account_ids": [e.account_id for e in entries],
            "directions": [e.direction for e in entries],
            "phases": [e.phase for e in entries],
            "amounts": [e.amount_minor for e in entries],
            "limit_days": [e.limit_day for e in entries],
            "versions": [e.account_version for e in entries],
            "balances": [e.balance_after_minor for e in entries],
            "created_at": transfers[0].created_at,
        },
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
