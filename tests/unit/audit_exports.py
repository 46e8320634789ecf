"""Exports and receipts of a log made in memory, as an honest platform would hand them out, and as others would."""

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bezant.contracts.events import ReceivedEvent
from bezant.services.audit.domain.leaves import Leaf, make_leaf
from bezant.services.audit.domain.merkle import append, root
from bezant.services.audit.domain.tree_heads import sign_tree_head, verifier_key

TENANT = UUID("0197a7f0-0000-7000-8000-000000000001")
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
Line = dict[str, Any]


def leaf_of(number: int, *, note: str = "") -> Leaf:
    event = ReceivedEvent(
        id=UUID(int=number + 1),
        type="payment.captured",
        topic="payment.events",
        subject=f"payment-{number}",
        tenant_id=TENANT,
        time=datetime(2026, 1, 2, 3, 4, 5, 678, UTC),
        actor="key:abc",
        data={"note": note or f"n{number}", "amount_minor": 100 + number, "currency": "USD", "status": "captured"},
        traceparent=None,
        raw=b"",
    )
    return make_leaf(event, lambda: b"s" * 32)


def checkpoint(size: int, hashed: bytes, key: Ed25519PrivateKey = KEY) -> str:
    return sign_tree_head(TENANT, size, hashed, datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC), key)


def export_lines(
    leaves: Iterable[Leaf], *, start: int = 0, key: Ed25519PrivateKey = KEY, rotations: Iterable[str] = ()
) -> list[Line]:
    """The header, the entries from `start` on, and the last line without its checksum."""
    leaves = list(leaves)
    frontier = append(0, [], [leaf.hash for leaf in leaves[:start]]).frontier
    grown = append(start, frontier, [leaf.hash for leaf in leaves[start:]])
    header = {
        "format": "bezant-audit-export/1",
        "tenant_id": str(TENANT),
        "from_size": start,
        "tree_size": len(leaves),
        "frontier": [hashed.hex() for hashed in frontier],
        "checkpoint": checkpoint(len(leaves), root(grown.frontier), key),
        "public_key": verifier_key(key),
        "key_rotations": list(rotations),
    }
    entries = [
        {
            "position": start + number,
            "leaf": leaf.content.decode(),
            "leaf_hash": leaf.hash.hex(),
            "subtrees": [above[at : at + 32].hex() for at in range(0, len(above), 32)],
            "personal_values": [
                {"pointer": value.pointer, "erased": False, "value": value.value, "salt": "c3Nz" * 10 + "c3M="}
                for value in leaf.personal_values
            ],
        }
        for number, (leaf, above) in enumerate(zip(leaves[start:], grown.completed, strict=True))
    ]
    return [header, *entries, {"entries": len(entries), "sha256": ""}]


def write(path: Path, *parts: list[Line], change: Callable[[bytes], bytes] = lambda raw: raw) -> Path:
    """Write the parts with right checksums, then change the bytes."""
    raw = b""
    for *lines, last in parts:
        body = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        raw += body + json.dumps(last | {"sha256": hashlib.sha256(body).hexdigest()}).encode() + b"\n"
    path.write_bytes(change(raw))
    return path


def resealed(lines: list[Line], key: Ed25519PrivateKey | None = None) -> list[Line]:
    """What a forger makes of changed entries: hashes and counts recomputed, and signed if he has a key."""
    header, *entries, last = lines
    hashes = [hashlib.sha256(b"\x00" + entry["leaf"].encode()).digest() for entry in entries]
    grown = append(0, [], hashes)
    for number, (entry, hashed, above) in enumerate(zip(entries, hashes, grown.completed, strict=True)):
        entry |= {
            "position": number,
            "leaf_hash": hashed.hex(),
            "subtrees": [above[at : at + 32].hex() for at in range(0, len(above), 32)],
        }
    if key is not None:
        header = header | {"checkpoint": checkpoint(len(entries), root(grown.frontier), key)}
    return [header | {"tree_size": len(entries)}, *entries, last | {"entries": len(entries)}]
