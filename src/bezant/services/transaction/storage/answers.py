"""Stored answers of idempotency keys: written with the effect, replayed to a repeated request."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from bezant.foundation.tenancy import TenantTransaction
from bezant.services.transaction.storage import QUERIES


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An idempotency key, the request that used it first, what that made, and what it was answered."""

    key: str
    fingerprint: bytes
    resource_id: UUID
    status: int
    body: str


async def claim_keys(tx: TenantTransaction, keys: Sequence[str]) -> set[str]:
    """Claim keys in this transaction, and return those that belong to another service of the tenant.

    A request with the same key that another process is at work on is waited for.
    """
    if not keys:
        return set()
    rows = await tx.fetch_all(QUERIES["claim_keys"], {"keys": sorted(set(keys))})
    return set(keys) - {row[0] for row in rows}


async def read_answers(tx: TenantTransaction, keys: Sequence[str]) -> dict[str, KeyRecord]:
    """Return the records of those keys that were used before."""
    if not keys:
        return {}
    rows = await tx.fetch_all(QUERIES["stored_answers"], {"keys": list(keys)})
    return {row[0]: KeyRecord(*row) for row in rows}


async def store_answers(tx: TenantTransaction, records: Sequence[KeyRecord]) -> None:
    """Store records, in the transaction that has their effect."""
    if not records:
        return
    await tx.execute(
        QUERIES["store_answers"],
        {
            "keys": [record.key for record in records],
            "fingerprints": [record.fingerprint for record in records],
            "resource_ids": [record.resource_id for record in records],
            "statuses": [record.status for record in records],
            "bodies": [record.body for record in records],
        },
    )
