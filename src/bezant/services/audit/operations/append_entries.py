"""Append a batch of events to a tenant's log: one leaf for each event, however often it is delivered."""

import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from bezant.contracts.events import ReceivedEvent
from bezant.contracts.identifiers import new_id
from bezant.foundation.events.inbox import claim_new
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.domain.commitments import SALT_LENGTH
from bezant.services.audit.domain.leaves import Leaf, make_leaf
from bezant.services.audit.domain.merkle import append
from bezant.services.audit.metrics import ENTRIES_APPENDED, TREE_SIZE
from bezant.services.audit.storage import QUERIES
from bezant.services.audit.storage.hashes import joined_hashes, split_hashes

OWN_TOPIC: Final = "audit"
"""The topic of entries that the log makes itself; no such topic is on the broker."""
_encoder = msgspec.json.Encoder()


async def append_entries(databases: TenantDatabases, tenant_id: UUID, events: Sequence[ReceivedEvent]) -> int:
    """Append what is new among the events, in their order, in one transaction, and return how many that was.

    Raises `TenantUnavailable` when the database does not answer.
    """

    async def work(tx: TenantTransaction) -> tuple[int, int]:
        # The lock comes before the inbox: writers of one tenant queue here and nowhere else.
        row = await tx.fetch_one(QUERIES["lock_tree"])
        if row is None:
            raise LookupError(f"the audit log of tenant {tenant_id} has no tree state")
        size, frontier = row[0], split_hashes(row[1])
        fresh = await claim_new(tx, "audit", events)
        if fresh:
            await append_in(tx, size, frontier, fresh)
        return len(fresh), size + len(fresh)

    appended, size = await databases.run(tenant_id, work)
    ENTRIES_APPENDED.labels(tenant=str(tenant_id)).inc(appended)
    TREE_SIZE.labels(tenant=str(tenant_id)).set(size)
    return appended


async def append_own_entry(
    tx: TenantTransaction, event_type: str, *, actor: str, data: Callable[[], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Append an entry about the log itself, in the transaction that does what it says.

    The tree is locked first, then `data` does the work and returns what the entry holds.
    """
    row = await tx.fetch_one(QUERIES["lock_tree"])
    if row is None:
        raise LookupError(f"the audit log of tenant {tx.tenant_id} has no tree state")
    done = await data()
    event = ReceivedEvent(
        id=new_id(),
        type=event_type,
        topic=OWN_TOPIC,
        subject=str(tx.tenant_id),
        tenant_id=tx.tenant_id,
        time=datetime.now(UTC),
        actor=actor,
        data=done,
        traceparent=None,
        raw=b"",
    )
    await append_in(tx, row[0], split_hashes(row[1]), [event])
    return done


async def append_in(tx: TenantTransaction, size: int, frontier: list[bytes], events: Sequence[ReceivedEvent]) -> None:
    """Append events inside a transaction that holds the tree's lock; `size` and `frontier` as it read them."""
    leaves = [make_leaf(event, _new_salt) for event in events]
    grown = append(size, frontier, [leaf.hash for leaf in leaves])
    await tx.execute(
        QUERIES["insert_entries"],
        {
            "positions": list(range(size, size + len(leaves))),
            "entry_ids": [event.id for event in events],
            "event_types": [event.type for event in events],
            "topics": [event.topic for event in events],
            "subjects": [event.subject for event in events],
            "actors": [event.actor for event in events],
            "moments": [event.time for event in events],
            "leaves": [leaf.content.decode() for leaf in leaves],
            "leaf_hashes": [leaf.hash for leaf in leaves],
            "subtree_hashes": grown.completed,
        },
    )
    await _insert_personal_values(tx, size, leaves)
    await tx.execute(
        QUERIES["advance_tree"], {"tree_size": size + len(leaves), "frontier": joined_hashes(grown.frontier)}
    )


async def _insert_personal_values(tx: TenantTransaction, size: int, leaves: list[Leaf]) -> None:
    values = [(size + number, value) for number, leaf in enumerate(leaves) for value in leaf.personal_values]
    if not values:
        return
    await tx.execute(
        QUERIES["insert_personal_values"],
        {
            "positions": [position for position, _ in values],
            "pointers": [value.pointer for _, value in values],
            "salts": [value.salt for _, value in values],
            "values": [_encoder.encode(value.value).decode() for _, value in values],
        },
    )


def _new_salt() -> bytes:
    return os.urandom(SALT_LENGTH)
