"""Merkle trees over audit entries (RFC 6962 §2.1); their proofs are verified by `bezant.verifier`.

A tree of any size is a row of complete subtrees, largest first: one for each bit set in the size. The
subtree of level L and number i covers the leaves i·2^L up to (i+1)·2^L - 1, and is complete from the moment its
last leaf is there; its hash then never changes. Each leaf is stored with the hashes of the subtrees that it
completed, so heads and proofs need a logarithmic number of rows.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

HASH_LENGTH: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""Root of the tree without leaves (RFC 6962 §2.1)."""


class Subtree(NamedTuple):
    """A complete subtree: 2^level leaves from number·2^level on."""

    level: int
    number: int
    """Counted from the left among the subtrees of its level."""

    @property
    def last_leaf(self) -> int:
        """The position of the leaf that completed it, where its hash is stored."""
        return ((self.number + 1) << self.level) - 1


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 over 0x00 and its bytes."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 over 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Appended(NamedTuple):
    """A tree after leaves were appended."""

    frontier: list[bytes]
    """Hashes of the complete subtrees that make up the tree, largest first."""
    completed: list[bytes]
    """For each appended leaf the hashes of the subtrees it completed above itself, level 1 first, joined."""


def append(size: int, frontier: Sequence[bytes], leaf_hashes: Iterable[bytes]) -> Appended:
    """Append leaves to the tree of `size` leaves with this frontier. Raises ValueError if they do not fit."""
    if len(frontier) != size.bit_count():
        raise ValueError(f"a tree of {size} leaves has {size.bit_count()} complete subtrees, not {len(frontier)}")
    stack = list(frontier)
    completed = []
    for hashed in leaf_hashes:
        current = hashed
        above = []
        # A carry in the binary counter of the size: each 1 bit from the right is a subtree to merge with.
        merging = size
        while merging & 1:
            current = node_hash(stack.pop(), current)
            above.append(current)
            merging >>= 1
        stack.append(current)
        completed.append(b"".join(above))
        size += 1
    return Appended(stack, completed)


def root(frontier: Sequence[bytes]) -> bytes:
    """Return the root of the tree made of these complete subtrees, largest first."""
    if not frontier:
        return EMPTY_ROOT
    hashed = frontier[-1]
    for left in reversed(frontier[:-1]):
        hashed = node_hash(left, hashed)
    return hashed


def complete_subtrees(start: int, end: int) -> list[Subtree]:
    """Return the complete subtrees that make up the leaves start to end-1, left to right.

    `start` has to be a multiple of the largest power of two that is not above end - start, which holds for
    every range that RFC 6962 splits off.
    """
    subtrees = []
    while start < end:
        level = (end - start).bit_length() - 1
        subtrees.append(Subtree(level, start >> level))
        start += 1 << level
    return subtrees


def _split(size: int) -> int:
    """Return the largest power of two below size."""
    return 1 << ((size - 1).bit_length() - 1)


Range = tuple[int, int]


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the leaf ranges whose hashes prove that leaf `index` is in the tree of `size` (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    ranges: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    ranges.reverse()
    return ranges


def consistency_ranges(old_size: int, new_size: int) -> list[Range]:
    """Return the leaf ranges whose hashes prove that the new tree extends the old one (RFC 6962 §2.1.2)."""
    if not 0 < old_size <= new_size:
        raise ValueError(f"a tree of {new_size} cannot extend one of {old_size}")
    ranges: list[Range] = []
    start, end, whole = 0, new_size, True
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append((start, end))
    ranges.reverse()
    return ranges


def needed_subtrees(ranges: Iterable[Range]) -> list[Subtree]:
    """Return every complete subtree that the hashes of these ranges are made from."""
    return [subtree for start, end in ranges for subtree in complete_subtrees(start, end)]


def range_hashes(ranges: Iterable[Range], hashes: Mapping[Subtree, bytes]) -> list[bytes]:
    """Return the hash of each range, from the hashes of its complete subtrees."""
    return [root([hashes[subtree] for subtree in complete_subtrees(start, end)]) for start, end in ranges]
