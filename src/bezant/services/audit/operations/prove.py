"""Prove that an entry is in the log, and that a later log extends an earlier one."""

from dataclasses import dataclass
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.domain.merkle import (
    EMPTY_ROOT,
    Range,
    consistency_ranges,
    inclusion_ranges,
    needed_subtrees,
    range_hashes,
)
from bezant.services.audit.domain.problems import EntryNotFound, TreeSizeInvalid
from bezant.services.audit.storage import QUERIES
from bezant.services.audit.storage.hashes import read_subtrees


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Sibling hashes from the leaf up to the root (RFC 6962 §2.1.1)."""

    entry_id: UUID
    position: int
    leaf_hash: bytes
    tree_size: int
    root: bytes
    hashes: list[bytes]


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """Hashes from which both roots follow (RFC 6962 §2.1.2)."""

    from_size: int
    from_root: bytes
    to_size: int
    to_root: bytes
    hashes: list[bytes]


async def prove_inclusion(
    databases: TenantDatabases, tenant_id: UUID, entry_id: UUID, tree_size: int | None
) -> InclusionProof:
    """Return the proof for an entry in the tree of a size (the present one if None).

    Raises `EntryNotFound`, `TreeSizeInvalid`.
    """
    async with databases.transaction(tenant_id) as tx:
        row = await tx.fetch_one(QUERIES["position_of_entry"], {"entry_id": entry_id})
        if row is None:
            raise EntryNotFound(f"There is no audit entry {entry_id}.")
        position, leaf_hash = row
        size = await _checked_size(tx, tree_size)
        if position >= size:
            raise TreeSizeInvalid(f"Entry {entry_id} is at position {position}; ask for a tree_size above that.")
        *hashes, root = await range_hashes_in(tx, [*inclusion_ranges(position, size), (0, size)])
    return InclusionProof(entry_id, position, leaf_hash, size, root, hashes)


async def prove_consistency(
    databases: TenantDatabases, tenant_id: UUID, from_size: int, to_size: int | None
) -> ConsistencyProof:
    """Return the proof that the tree of `to_size` (the present one if None) extends that of `from_size`.

    Every tree extends the empty one, with an empty proof. Raises `TreeSizeInvalid`.
    """
    async with databases.transaction(tenant_id) as tx:
        size = await _checked_size(tx, to_size)
        if not 0 <= from_size <= size:
            raise TreeSizeInvalid(f"`from` must be between 0 and {size}.")
        ranges = consistency_ranges(from_size, size) if from_size else []
        *hashes, from_root, to_root = await range_hashes_in(tx, [*ranges, (0, from_size), (0, size)])
    return ConsistencyProof(from_size, from_root, size, to_root, hashes)


async def _checked_size(tx: TenantTransaction, wanted: int | None) -> int:
    row = await tx.fetch_one(QUERIES["tree_state"])
    present = row[0] if row is not None else 0
    if wanted is None:
        return int(present)
    if not 0 <= wanted <= present:
        raise TreeSizeInvalid(f"The log holds {present} entries; ask for a tree size up to that.")
    return wanted


async def range_hashes_in(tx: TenantTransaction, ranges: list[Range]) -> list[bytes]:
    """Return the hash of each range of leaves, from the stored hashes of complete subtrees."""
    full = [each for each in ranges if each[0] < each[1]]
    hashes = iter(range_hashes(full, await read_subtrees(tx, needed_subtrees(full))))
    return [next(hashes) if start < end else EMPTY_ROOT for start, end in ranges]
