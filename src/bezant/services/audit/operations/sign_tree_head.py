"""The signed head of a tenant's log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.domain.merkle import root
from bezant.services.audit.domain.tree_heads import also_signed, is_signed_by, sign_tree_head
from bezant.services.audit.storage import QUERIES
from bezant.services.audit.storage.hashes import split_hashes
from bezant.services.audit.storage.tree_head_key import SigningKey, TreeHeadKey


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A tree head with the checkpoint that anyone can keep and verify."""

    size: int
    root: bytes
    checkpoint: str
    signed_at: datetime


async def read_tree_head(
    databases: TenantDatabases, tenant_id: UUID, key: TreeHeadKey
) -> tuple[SignedHead, SigningKey]:
    """Return the head of the log as it is now, with the key that verifies it; signs it if it grew since the last.

    The same size always gives the same checkpoint, with signatures added under it.
    """
    signing = await key.get()

    async def work(tx: TenantTransaction) -> SignedHead:
        size, frontier = await tree_state(tx)
        return await signed_head(tx, size, frontier, signing)

    return await databases.run(tenant_id, work), signing


async def tree_state(tx: TenantTransaction) -> tuple[int, list[bytes]]:
    """Return size and frontier of the tree as it is now."""
    row = await tx.fetch_one(QUERIES["tree_state"])
    if row is None:
        raise LookupError(f"the audit log of tenant {tx.tenant_id} has no tree state")
    return row[0], split_hashes(row[1])


async def signed_head(tx: TenantTransaction, size: int, frontier: Sequence[bytes], signing: SigningKey) -> SignedHead:
    """Return the head of the tree of a size, which this frontier makes up, signed by the present key."""
    wanted = {"tree_size": size}
    stored = await tx.fetch_one(QUERIES["tree_head_of_size"], wanted)
    if stored is None:
        now = datetime.now(UTC)
        hashed = root(frontier)
        checkpoint = sign_tree_head(tx.tenant_id, size, hashed, now, signing.key)
        await tx.execute(
            QUERIES["insert_tree_head"],
            {"tree_size": size, "root_hash": hashed, "checkpoint": checkpoint, "signed_at": now},
        )
        stored = await tx.fetch_one(QUERIES["tree_head_of_size"], wanted)
        if stored is None:
            raise LookupError(f"the head of {size} entries was not stored")
    if not is_signed_by(stored[2], signing.key):
        # The key was rotated since: who has kept only the new one must be able to verify this head too.
        line = also_signed(stored[2], signing.key)
        signer = f"key:{signing.public.split('+')[1]}"
        await tx.execute(QUERIES["insert_head_signature"], {"tree_size": size, "signer": signer, "line": line})
        stored = (stored[0], stored[1], stored[2] + line, stored[3])
    return SignedHead(*stored)


async def list_tree_heads(
    databases: TenantDatabases, tenant_id: UUID, *, before: int | None, limit: int
) -> list[SignedHead]:
    """Return the heads signed so far, newest first."""
    async with databases.transaction(tenant_id) as tx:
        rows = await tx.fetch_all(QUERIES["list_tree_heads"], {"before": before, "limit": limit})
    return [SignedHead(*row) for row in rows]
