"""Hashes as they are stored: joined, 32 bytes each."""

from collections.abc import Iterable, Sequence

from bezant.foundation.tenancy import TenantTransaction
from bezant.services.audit.domain.merkle import HASH_LENGTH, Subtree
from bezant.services.audit.storage import QUERIES


def split_hashes(joined: bytes) -> list[bytes]:
    """Return the hashes in a stored value."""
    return [joined[start : start + HASH_LENGTH] for start in range(0, len(joined), HASH_LENGTH)]


def joined_hashes(hashes: Iterable[bytes]) -> bytes:
    """Return hashes as they are stored."""
    return b"".join(hashes)


async def read_subtrees(tx: TenantTransaction, subtrees: Sequence[Subtree]) -> dict[Subtree, bytes]:
    """Return the hashes of complete subtrees, each from the row of the leaf that completed it."""
    positions = sorted({subtree.last_leaf for subtree in subtrees})
    rows = await tx.fetch_all(QUERIES["stored_hashes"], {"positions": positions})
    levels = {position: [leaf_hash, *split_hashes(above)] for position, leaf_hash, above in rows}
    return {subtree: levels[subtree.last_leaf][subtree.level] for subtree in subtrees}
