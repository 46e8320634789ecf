"""A payment's receipt: its entries in the log, each with its proof under one signed head."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from bezant.contracts.events import PAYMENT_EVENTS
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.domain.entries import Entry
from bezant.services.audit.domain.merkle import inclusion_ranges
from bezant.services.audit.domain.problems import ReceiptNotFound
from bezant.services.audit.operations.prove import range_hashes_in
from bezant.services.audit.operations.read_entries import with_personal_values
from bezant.services.audit.operations.sign_tree_head import SignedHead, signed_head, tree_state
from bezant.services.audit.storage import QUERIES
from bezant.services.audit.storage.tree_head_key import SigningKey, TreeHeadKey

MAX_ENTRIES: Final = 1_000
"""A payment has a handful of events; each partial refund is one more."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a payment went through, verifiable without the platform."""

    payment_id: UUID
    entries: list[tuple[Entry, list[bytes]]]
    """Oldest first, each with its inclusion proof in the tree of `head`."""
    head: SignedHead
    signing: SigningKey


async def make_receipt(databases: TenantDatabases, tenant_id: UUID, payment_id: UUID, key: TreeHeadKey) -> Receipt:
    """Return the payment's receipt as of now. Raises `ReceiptNotFound`."""
    signing = await key.get()

    async def work(tx: TenantTransaction) -> Receipt:
        # The head first: entries are never removed, so that all it covers are there to be read.
        size, frontier = await tree_state(tx)
        rows = await tx.fetch_all(
            QUERIES["entries_of_subject"],
            {"subject": str(payment_id), "topic": PAYMENT_EVENTS, "limit": MAX_ENTRIES},
        )
        entries = [entry for entry in await with_personal_values(tx, rows) if entry.position < size]
        if not entries:
            raise ReceiptNotFound(
                f"The log holds nothing about a payment {payment_id}. Entries follow payments within about a second; "
                "is the id right?",
                retry_after_seconds=1,
            )
        proofs = [await range_hashes_in(tx, inclusion_ranges(entry.position, size)) for entry in entries]
        head = await signed_head(tx, size, frontier, signing)
        return Receipt(payment_id, list(zip(entries, proofs, strict=True)), head, signing)

    return await databases.run(tenant_id, work)
