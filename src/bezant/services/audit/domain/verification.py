"""Verification by someone who trusts nothing but the log's public key and the heads kept from earlier.

All functions are pure; `bezant.services.audit.outside_verification` fetches what they look at.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from bezant.services.audit.domain.canonical import canonical_bytes
from bezant.services.audit.domain.commitments import commitment, committed_at
from bezant.services.audit.domain.merkle import (
    append,
    complete_subtrees,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root,
)
from bezant.services.audit.domain.tree_heads import TreeHead, origin_of

SHOWN_FIELDS = ("entry_id", "type", "topic", "subject", "actor", "time")
"""Fields that an entry shows beside its leaf; they have to say the same as the leaf."""


class VerificationFailed(Exception):
    """The log is not what it was, or not what it says; `position` is the first entry concerned, if known."""

    def __init__(self, reason: str, *, position: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


class DisclosedValue(NamedTuple):
    """A personal value that the log still holds."""

    pointer: str
    value: Any
    salt: bytes


class EntryToVerify(NamedTuple):
    """An entry as the API shows it."""

    position: int
    leaf: bytes
    leaf_hash: bytes
    shown: dict[str, Any]
    disclosed: list[DisclosedValue]


class LogVerifier:
    """Recomputes a log's tree entry by entry, from position 0 on."""

    def __init__(self, tenant_id: UUID) -> None:
        self.tenant_id = tenant_id
        self.leaf_hashes: list[bytes] = []
        self.erased_values = 0
        self._frontier: list[bytes] = []

    @property
    def size(self) -> int:
        """How many entries were seen."""
        return len(self.leaf_hashes)

    @property
    def root(self) -> bytes:
        """The root over the entries seen."""
        return root(self._frontier)

    def add(self, entry: EntryToVerify) -> None:
        """Check one entry in itself and put it into the tree. Raises `VerificationFailed` naming what differs."""
        position = self.size
        if entry.position != position:
            raise VerificationFailed(
                f"entry {position} is missing: the log continues with entry {entry.position}",
                position=position,
            )
        hashed = leaf_hash(entry.leaf)
        if hashed != entry.leaf_hash:
            raise VerificationFailed(
                f"entry {position}: its leaf hashes to {hashed.hex()}, but the log says {entry.leaf_hash.hex()}",
                position=position,
            )
        self._check_content(position, entry)
        self._frontier = append(position, self._frontier, [hashed]).frontier
        self.leaf_hashes.append(hashed)

    def _check_content(self, position: int, entry: EntryToVerify) -> None:
        try:
            content = msgspec.json.decode(entry.leaf)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise VerificationFailed(f"entry {position}: its leaf is not JSON", position=position) from None
        if not isinstance(content, dict) or canonical_bytes(content) != entry.leaf:
            raise VerificationFailed(f"entry {position}: its leaf is not canonical JSON", position=position)
        if content.get("tenant_id") != str(self.tenant_id):
            raise VerificationFailed(
                f"entry {position} belongs to tenant {content.get('tenant_id')}", position=position
            )
        for field in SHOWN_FIELDS:
            if entry.shown.get(field) != content.get(field):
                raise VerificationFailed(
                    f"entry {position}: {field} is shown as {entry.shown.get(field)!r}, "
                    f"but the leaf says {content.get(field)!r}",
                    position=position,
                )
        for disclosed in entry.disclosed:
            expected = committed_at(content.get("data"), disclosed.pointer)
            if expected != commitment(disclosed.salt, disclosed.value):
                raise VerificationFailed(
                    f"entry {position}: the value shown at {disclosed.pointer} is not the one committed to",
                    position=position,
                )

    def check_head(self, head: TreeHead, what: str) -> None:
        """Compare the tree of the entries seen with a head of the same size. Raises `VerificationFailed`."""
        if head.origin != origin_of(self.tenant_id):
            raise VerificationFailed(f"{what} belongs to {head.origin}, not to {origin_of(self.tenant_id)}")
        if head.size != self.size:
            raise VerificationFailed(
                f"{what} counts {head.size} entries, but the log holds {self.size}",
                position=min(head.size, self.size),
            )
        if head.root != self.root:
            raise VerificationFailed(
                f"{what} has root {head.root.hex()}, but the {self.size} entries make {self.root.hex()}"
            )

    def range_hash(self, start: int, end: int) -> bytes:
        """Return the hash of the leaves start to end-1 as seen."""
        parts = []
        for subtree in complete_subtrees(start, end):
            level = self.leaf_hashes[subtree.number << subtree.level : (subtree.number + 1) << subtree.level]
            while len(level) > 1:
                level = [node_hash(level[n], level[n + 1]) for n in range(0, len(level), 2)]
            parts.append(level[0])
        return root(parts)

    def first_differing_range(self, index: int, size: int, proof: Sequence[bytes]) -> tuple[int, int] | None:
        """Compare an inclusion proof of leaf `index` with the entries seen.

        Returns the leftmost range of leaves whose hash in the proof differs, or None when none does.
        """
        differing = [
            (start, end)
            for (start, end), sibling in zip(inclusion_ranges(index, size), proof, strict=True)
            if self.range_hash(start, end) != sibling
        ]
        return min(differing, default=None)


def read_entry(document: dict[str, Any]) -> EntryToVerify:
    """Return an entry from its API document. Raises `VerificationFailed` when parts are missing or malformed."""
    try:
        return EntryToVerify(
            position=document["position"],
            leaf=document["leaf"].encode(),
            leaf_hash=bytes.fromhex(document["leaf_hash"]),
            shown=document,
            disclosed=[
                DisclosedValue(item["pointer"], item["value"], base64.b64decode(item["salt"], validate=True))
                for item in document["personal_values"]
                if not item["erased"]
            ],
        )
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise VerificationFailed(
            f"entry {document.get('position')} cannot be read: {error!r}", position=document.get("position")
        ) from error
