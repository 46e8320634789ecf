"""Export a log, or its growth since a size, as JSON Lines that verify by themselves.

A part is a header line, one line for each entry, and a last line with the SHA-256 of all lines before it. The
header holds the hashes that stand for the entries before the part and the signed head at its end, so that each
part can be verified alone, and parts that follow each other make one file.
"""

import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.domain.commitments import pointers_of_commitments
from bezant.services.audit.domain.merkle import complete_subtrees
from bezant.services.audit.domain.problems import ExportRangeInvalid
from bezant.services.audit.operations.sign_tree_head import SignedHead, signed_head, tree_state
from bezant.services.audit.storage import QUERIES
from bezant.services.audit.storage.hashes import read_subtrees, split_hashes
from bezant.services.audit.storage.tree_head_key import SigningKey, TreeHeadKey

FORMAT: Final = "bezant-audit-export/1"
_PAGE: Final = 1_000
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class ExportPart:
    """The entries from `start` up to the head's size."""

    start: int
    frontier: list[bytes]
    """Hashes of the complete subtrees before `start`, largest first."""
    head: SignedHead
    signing: SigningKey
    log_size: int
    """How many entries the log holds; more than the head's size when there are more parts."""


async def begin_export(
    databases: TenantDatabases, tenant_id: UUID, key: TreeHeadKey, *, start: int, limit: int
) -> ExportPart:
    """Fix what the part covers, and sign the head at its end. Raises `ExportRangeInvalid`."""
    signing = await key.get()

    async def work(tx: TenantTransaction) -> ExportPart:
        size, frontier = await tree_state(tx)
        if start > size:
            raise ExportRangeInvalid(f"The log holds {size} entries; start at one of them, or at {size} for none.")
        end = min(size, start + limit)
        before = await _frontier(tx, start)
        head = await signed_head(tx, end, frontier if end == size else await _frontier(tx, end), signing)
        return ExportPart(start, before, head, signing, size)

    return await databases.run(tenant_id, work)


async def _frontier(tx: TenantTransaction, size: int) -> list[bytes]:
    subtrees = complete_subtrees(0, size)
    hashes = await read_subtrees(tx, subtrees)
    return [hashes[subtree] for subtree in subtrees]


async def export_lines(
    databases: TenantDatabases, tenant_id: UUID, part: ExportPart, *, disclose: bool
) -> AsyncIterator[bytes]:
    """Yield the part's lines, a page at a time; personal values are shown only with `disclose`."""
    end = part.head.size
    header = {
        "format": FORMAT,
        "tenant_id": str(tenant_id),
        "from_size": part.start,
        "tree_size": end,
        "frontier": [hashed.hex() for hashed in part.frontier],
        "checkpoint": part.head.checkpoint,
        "public_key": part.signing.public,
        "key_rotations": part.signing.rotations,
    }
    page = _encode(header) + b"\n"
    digest = hashlib.sha256(page)
    yield page
    for position in range(part.start, end, _PAGE):
        page = b"".join(await _page(databases, tenant_id, position, min(end, position + _PAGE), disclose=disclose))
        digest.update(page)
        yield page
    yield _encode({"entries": end - part.start, "sha256": digest.hexdigest()}) + b"\n"


async def _page(
    databases: TenantDatabases, tenant_id: UUID, start: int, end: int, *, disclose: bool
) -> Iterable[bytes]:
    async with databases.transaction(tenant_id) as tx:
        rows = await tx.fetch_all(QUERIES["entries_between"], {"start": start, "end": end})
        held: dict[tuple[int, str], tuple[bytes, str]] = {}
        if disclose:
            values = await tx.fetch_all(QUERIES["personal_values_of"], {"positions": [row[0] for row in rows]})
            held = {(position, pointer): (salt, value) for position, pointer, salt, value in values}
    return [_entry_line(row, held) for row in rows]


def _entry_line(row: tuple[Any, ...], held: dict[tuple[int, str], tuple[bytes, str]]) -> bytes:
    position, leaf, leaf_hash, subtrees = row
    values = []
    for pointer in pointers_of_commitments(msgspec.json.decode(leaf).get("data")):
        found = held.get((position, pointer))
        if found is None:
            values.append({"pointer": pointer, "erased": True})
        else:
            values.append({"pointer": pointer, "erased": False, "salt": found[0], "value": msgspec.Raw(found[1])})
    document = {
        "position": position,
        "leaf": leaf,
        "leaf_hash": leaf_hash.hex(),
        "subtrees": [hashed.hex() for hashed in split_hashes(subtrees)],
        "personal_values": values,
    }
    return _encode(document) + b"\n"
