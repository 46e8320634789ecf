"""The signed head of a tenant's log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.domain.merkle import root
from bezant.services.audit.domain.tree_heads import sign_tree_head, verifier_key
from bezant.services.audit.storage import QUERIES
from bezant.services.audit.storage.hashes import split_hashes
from bezant.services.audit.storage.tree_head_key import TreeHeadKey


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A tree head with the checkpoint that anyone can keep and verify."""

    size: int
    root: bytes
    checkpoint: str
    signed_at: datetime


async def read_tree_head(databases: TenantDatabases, tenant_id: UUID, key: TreeHeadKey) -> tuple[SignedHead, str]:
    """Return the head of the log as it is now, with the key that verifies it; signs it if it grew since the last.

    The same size always gives the same checkpoint.
    """
    signing_key = await key.get()

    async def work(tx: TenantTransaction) -> SignedHead:
        row = await tx.fetch_one(QUERIES["tree_state"])
        if row is None:
            raise LookupError(f"the audit log of tenant {tenant_id} has no tree state")
        size, frontier = row[0], split_hashes(row[1])
        stored = await tx.fetch_one(QUERIES["tree_head_of_size"], {"tree_size": size})
        if stored is None:
            now = datetime.now(UTC)
            await tx.execute(
                QUERIES["insert_tree_head"],
                {
                    "tree_size": size,
                    "root_hash": root(frontier),
                    "checkpoint": sign_tree_head(tenant_id, size, root(frontier), now, signing_key),
                    "signed_at": now,
                },
            )
            stored = await tx.fetch_one(QUERIES["tree_head_of_size"], {"tree_size": size})
            assert stored is not None
        return SignedHead(*stored)

    return await databases.run(tenant_id, work), verifier_key(signing_key)


async def list_tree_heads(
    databases: TenantDatabases, tenant_id: UUID, *, before: int | None, limit: int
) -> list[SignedHead]:
    """Return the heads signed so far, newest first."""
    async with databases.transaction(tenant_id) as tx:
        rows = await tx.fetch_all(QUERIES["list_tree_heads"], {"before": before, "limit": limit})
    return [SignedHead(*row) for row in rows]
