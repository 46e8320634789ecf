#!/usr/bin/env python3
"""Verify what a Bezant audit log handed out, trusting nobody: no network, nothing but Python's standard library.

    python audit_log.py export LOG.jsonl --head kept-head.json     a whole log, or its growth since a kept head
    python audit_log.py receipt RECEIPT.json --public-key KEY      one payment's receipt
    python audit_log.py consistency OLD.json NEW.json PROOF.json   that a head extends an earlier one

Exit codes: 0 verified, 1 not verified (the reason is on stderr), 2 wrong usage.

What is checked: every leaf hashes into a Merkle tree (RFC 6962 §2.1) whose root is the one in a checkpoint
(https://c2sp.org/tlog-checkpoint) signed with Ed25519 (RFC 8032); the tree starts with the tree of a head that
was kept from earlier; personal values that are disclosed are those the leaves commit to; and, if asked for,
witnesses have co-signed the head (https://c2sp.org/tlog-cosignature). A key is pinned by `--public-key` or by the
kept head; another key is accepted only through a chain of rotations, each signed by the key before it.
"""

import argparse
import base64
import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

EXPORT_FORMAT = "bezant-audit-export/1"
RECEIPT_FORMAT = "bezant-receipt/1"
KEY_NAME = "bezant-audit"
ED25519, COSIGNATURE = 0x01, 0x04
"""Key types of signed notes (https://c2sp.org/signed-note)."""
_SIGNATURE_START = "— "


class VerificationFailed(Exception):
    """The log is not what it was, or not what it says; `position` is the first entry concerned, if known."""

    def __init__(self, reason: str, *, position: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


# ---- Ed25519 (RFC 8032 §5.1). Verification handles nothing secret, so plain integers are safe enough.

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_Point = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, x·y = T/Z."""


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _recovered_x(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if square == 0:
        return None if sign else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P:
        return None
    return _P - x if x & 1 != sign else x


def _decompressed(encoded: bytes) -> _Point | None:
    if len(encoded) != 32:
        return None
    number = int.from_bytes(encoded, "little")
    y = number & ((1 << 255) - 1)
    x = _recovered_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % _P)


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _recovered_x(_BASE_Y, 0) or 0
_BASE: _Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def ed25519_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the signature of 64 bytes is the key's over the message (RFC 8032 §5.1.7)."""
    key, commitment = _decompressed(public_key), _decompressed(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or len(signature) != 64 or scalar >= _L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % _L
    left, right = _times(scalar, _BASE), _add(commitment, _times(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (left[1] * right[2] - right[1] * left[2]) % _P == 0


# ---- Merkle trees (RFC 6962 §2.1; verification of proofs as in RFC 9162 §2.1.3 and §2.1.4)

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 over 0x00 and its bytes."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 over 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass
class Tree:
    """A tree that grows leaf by leaf; `frontier` holds its complete subtrees, largest first."""

    size: int = 0
    frontier: list[bytes] = field(default_factory=list)

    def append(self, hashed: bytes) -> list[bytes]:
        """Append a leaf's hash and return the hashes of the subtrees it completed, smallest first."""
        completed, merging = [], self.size
        while merging & 1:
            hashed = node_hash(self.frontier.pop(), hashed)
            completed.append(hashed)
            merging >>= 1
        self.frontier.append(hashed)
        self.size += 1
        return completed

    @property
    def root(self) -> bytes:
        """The root over all leaves."""
        if not self.frontier:
            return EMPTY_ROOT
        hashed = self.frontier[-1]
        for left in reversed(self.frontier[:-1]):
            hashed = node_hash(left, hashed)
        return hashed


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Return whether the proof shows that the leaf with hash `leaf` is at `index` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            hashed = node_hash(sibling, hashed)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            hashed = node_hash(hashed, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and hashed == expected_root


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that the new tree starts with all of the old one (RFC 9162 §2.1.4.2)."""
    if not 0 < old_size <= new_size:
        return old_size == 0 and not proof and old_root == EMPTY_ROOT
    if old_size == new_size:
        return not proof and old_root == new_root
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_hash = new_hash = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_hash, new_hash = node_hash(sibling, old_hash), node_hash(sibling, new_hash)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            new_hash = node_hash(new_hash, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old_hash == old_root and new_hash == new_root


# ---- canonical JSON (RFC 8785) and commitments to personal values


def canonical_json(value: Any) -> str:
    """Return the RFC 8785 text of a JSON value; integers beyond 2^53-1 are written as strings of digits."""
    match value:
        case bool() | None:
            return json.dumps(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int():
            return str(value) if abs(value) < 2**53 else f'"{value}"'
        case float():
            return _ecmascript_number(value)
        case list():
            return f"[{','.join(map(canonical_json, value))}]"
        case dict():
            # by UTF-16 code units, which is the order of the big-endian bytes
            pairs = sorted(value.items(), key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass"))
            return f"{{{','.join(f'{canonical_json(key)}:{canonical_json(inner)}' for key, inner in pairs)}}}"
    raise ValueError(f"{type(value).__name__} is not JSON")


def _ecmascript_number(value: float) -> str:
    """Return a double as ECMAScript writes it (ECMA-262 §6.1.6.1.20)."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not JSON")
    if value == 0:
        return "0"
    # Python's repr has the same shortest digits; only their layout differs.
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        text = f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1:+d}"
    return f"-{text}" if value < 0 else text


def committed_at(data: Any, pointer: str) -> Any:
    """Return the commitment that a leaf's data holds at a pointer (RFC 6901), or None when there is none."""
    place = data
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, list) and key.isdecimal() and int(key) < len(place):
            place = place[int(key)]
        elif isinstance(place, dict) and key in place:
            place = place[key]
        else:
            return None
    return place.get("sha256_commitment") if isinstance(place, dict) else None


def _check_disclosed(leaf: dict[str, Any], disclosed: dict[str, Any], what: str, position: int) -> None:
    salt = base64.b64decode(disclosed["salt"], validate=True)
    commitment = hashlib.sha256(salt + canonical_json(disclosed["value"]).encode()).hexdigest()
    if committed_at(leaf.get("data"), disclosed["pointer"]) != commitment:
        raise VerificationFailed(
            f"{what}: the value shown at {disclosed['pointer']} is not the one committed to", position=position
        )


# ---- signed notes: checkpoints, rotations of keys, cosignatures of witnesses


class Head(NamedTuple):
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes
    time: str
    """RFC 3339."""


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return the four bytes by which a signature names its key (https://c2sp.org/signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def parsed_key(key: str, kind: int) -> tuple[str, bytes]:
    """Return name and public key of a verifier key `<name>+<key id>+<base64>`. Raises `VerificationFailed`."""
    name, _, rest = key.partition("+")
    identifier, _, encoded = rest.partition("+")
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except ValueError:
        decoded = b""
    if len(decoded) != 33 or decoded[0] != kind or key_id(name, kind, decoded[1:]).hex() != identifier:
        raise VerificationFailed(f"{key!r} is not a verifier key, or it is damaged")
    return name, decoded[1:]


def _split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    text, separator, lines = note.partition("\n\n")
    signatures = []
    for line in lines.splitlines():
        name, _, encoded = line.removeprefix(_SIGNATURE_START).partition(" ")
        try:
            signatures.append((name, base64.b64decode(encoded, validate=True)))
        except ValueError:
            raise VerificationFailed("a signature is not base64") from None
    if not separator or not signatures:
        raise VerificationFailed("the note carries no signature")
    return text + "\n", signatures


def is_signed_by(note: str, key: str) -> bool:
    """Return whether the note carries a good signature of an Ed25519 key. Raises `VerificationFailed` for a bad one."""
    name, public = parsed_key(key, ED25519)
    text, signatures = _split_note(note)
    for signer, signature in signatures:
        if signer == name and signature[:4] == key_id(name, ED25519, public):
            if not ed25519_verifies(public, text.encode(), signature[4:]):
                raise VerificationFailed("the signature does not fit the text it stands under")
            return True
    return False


def is_cosigned_by(checkpoint: str, witness: str) -> bool:
    """Return whether the checkpoint carries a good cosignature/v1 of the witness. Raises as `is_signed_by` does."""
    name, public = parsed_key(witness, COSIGNATURE)
    text, signatures = _split_note(checkpoint)
    for signer, signature in signatures:
        if signer == name and signature[:4] == key_id(name, COSIGNATURE, public):
            seconds = int.from_bytes(signature[4:12], "big")
            message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
            if not ed25519_verifies(public, message, signature[12:]):
                raise VerificationFailed(f"the cosignature of {name} does not fit the checkpoint")
            return True
    return False


def read_checkpoint(checkpoint: str) -> Head:
    """Return what a checkpoint says, whoever signed it. Raises `VerificationFailed`."""
    lines = checkpoint.partition("\n\n")[0].splitlines()
    if len(lines) < 4 or not re.fullmatch(r"[0-9]{1,18}", lines[1]) or not lines[3].startswith("time "):
        raise VerificationFailed("the checkpoint's text is not origin, size, root and time")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except ValueError:
        root = b""
    if len(root) != 32:
        raise VerificationFailed("the checkpoint's root is not a SHA-256 hash")
    return Head(lines[0], int(lines[1]), root, lines[3].removeprefix("time "))


def successor_keys(pinned: str, rotations: Sequence[str]) -> list[str]:
    """Return the pinned key and those it was rotated to, oldest first.

    Each rotation names the old and the new key and is signed by both. Raises `VerificationFailed` for a forged one.
    """
    keys = [pinned]
    for note in rotations:
        lines = note.partition("\n\n")[0].splitlines()
        if len(lines) != 4 or lines[0] != "bezant/audit-key-rotation":
            raise VerificationFailed("a rotation of the key cannot be read")
        if lines[1] != keys[-1]:
            continue
        if not is_signed_by(note, lines[1]) or not is_signed_by(note, lines[2]):
            raise VerificationFailed("a rotation of the key is not signed by both keys")
        keys.append(lines[2])
    return keys


@dataclass
class Trust:
    """What the verifier brings along: a pinned key, witnesses, a head from earlier."""

    public_key: str | None = None
    witnesses: Sequence[str] = ()
    witnesses_needed: int | None = None
    """How many of the witnesses must have co-signed; None: all of them."""
    kept_checkpoint: str | None = None

    def opened(self, checkpoint: str, public_key: str, rotations: Sequence[str], what: str) -> tuple[Head, str]:
        """Return what a checkpoint says and the key to keep. Raises `VerificationFailed` when it cannot be trusted."""
        accepted = successor_keys(self.public_key or public_key, rotations)
        signed = [key for key in accepted if is_signed_by(checkpoint, key)]
        if not signed:
            raise VerificationFailed(
                f"{what} is signed with another key than the one kept ({accepted[-1]}), and no rotation leads to it"
            )
        wanted = len(self.witnesses) if self.witnesses_needed is None else self.witnesses_needed
        cosigned = sum(is_cosigned_by(checkpoint, witness) for witness in self.witnesses)
        if cosigned < wanted:
            raise VerificationFailed(f"{what} is co-signed by {cosigned} of the witnesses; {wanted} are asked for")
        return read_checkpoint(checkpoint), signed[-1]


# ---- exports


@dataclass
class VerifiedExport:
    """What was verified."""

    tenant_id: str
    from_size: int
    """Entries before this one are not in the file; their hashes are."""
    size: int
    root: str
    signed_at: str
    disclosed_values: int
    erased_values: int
    kept_head_size: int | None
    """Size of the head from an earlier time that the log was found to extend; None if there was none."""
    checkpoint: str
    public_key: str


Progress = Callable[[int, int], None]
"""Told how many entries were verified, of how many."""


class _ExportCheck:
    def __init__(self, trust: Trust, on_progress: Progress | None) -> None:
        self.trust = trust
        self.on_progress = on_progress
        self.tree: Tree | None = None
        self.tenant_id = ""
        self.from_size = self.disclosed = self.erased = 0
        self.head: Head | None = None
        self.checkpoint = self.key = ""
        self.kept = None if trust.kept_checkpoint is None else read_checkpoint(trust.kept_checkpoint)
        self.kept_seen = False

    def part(self, header: dict[str, Any], lines: Iterator[bytes], digest: Any) -> None:
        """Check one part: its header, its entries, its last line."""
        if header.get("format") != EXPORT_FORMAT:
            raise VerificationFailed(f"this is not an export ({EXPORT_FORMAT}); its first line says otherwise")
        frontier = [bytes.fromhex(hashed) for hashed in header["frontier"]]
        start = int(header["from_size"])
        if self.tree is None:
            self.tree, self.from_size, self.tenant_id = Tree(start, frontier), start, header["tenant_id"]
            if len(frontier) != start.bit_count():
                raise VerificationFailed(f"a tree of {start} entries is not made of {len(frontier)} subtrees")
        elif self.tree.size != start or self.tree.frontier != frontier or self.tenant_id != header["tenant_id"]:
            raise VerificationFailed("a part of the export does not continue the part before it", position=start)
        self.checkpoint = header["checkpoint"]
        self.head, self.key = self.trust.opened(
            self.checkpoint, header["public_key"], header["key_rotations"], "the head of the log"
        )
        if self.head.origin != f"bezant/audit/{self.tenant_id}":
            raise VerificationFailed(f"the head belongs to {self.head.origin}, not to tenant {self.tenant_id}")
        if self.kept is not None and self.head.origin != self.kept.origin:
            raise VerificationFailed(f"the head that was kept is of {self.kept.origin}, the log is {self.head.origin}")
        self._compare_with_kept(self.tree)
        for line in lines:
            document = json.loads(line)
            if "sha256" in document:
                self._end_of_part(document, digest, self.tree.size - start)
                return
            digest.update(line)
            self._entry(document, self.tree)
        raise VerificationFailed("the export breaks off: its last line is missing", position=self.tree.size)

    def _entry(self, document: dict[str, Any], tree: Tree) -> None:
        position = tree.size
        what = f"entry {position}"
        if document["position"] != position:
            raise VerificationFailed(
                f"{what} is missing: the log continues with entry {document['position']}", position=position
            )
        text = document["leaf"]
        hashed = leaf_hash(text.encode())
        if hashed.hex() != document["leaf_hash"]:
            raise VerificationFailed(
                f"{what}: its leaf hashes to {hashed.hex()}, but the log says {document['leaf_hash']}",
                position=position,
            )
        leaf = json.loads(text)
        if not isinstance(leaf, dict) or canonical_json(leaf) != text:
            raise VerificationFailed(f"{what}: its leaf is not canonical JSON", position=position)
        if leaf.get("tenant_id") != self.tenant_id:
            raise VerificationFailed(f"{what} belongs to tenant {leaf.get('tenant_id')}", position=position)
        for value in document["personal_values"]:
            if value["erased"]:
                self.erased += 1
            else:
                _check_disclosed(leaf, value, what, position)
                self.disclosed += 1
        for level, (seen, told) in enumerate(zip(tree.append(hashed), document["subtrees"], strict=True), 1):
            if seen.hex() != told:
                first = tree.size - (1 << level)
                raise VerificationFailed(
                    f"the entries {first} to {position} are not those the log was made of: one of them was changed",
                    position=first,
                )
        self._compare_with_kept(tree)
        if self.on_progress is not None and self.head is not None:
            self.on_progress(tree.size, self.head.size)

    def _compare_with_kept(self, tree: Tree) -> None:
        if self.kept is None or tree.size != self.kept.size or self.kept_seen:
            return
        if tree.root != self.kept.root:
            raise VerificationFailed(
                f"the log of today does not extend the one of {self.kept.time}: "
                f"at least one of its first {self.kept.size} entries was changed since"
            )
        self.kept_seen = True

    def _end_of_part(self, last: dict[str, Any], digest: Any, entries: int) -> None:
        if last["entries"] != entries:
            raise VerificationFailed(
                f"the export's last line counts {last['entries']} entries, but it holds {entries}",
                position=self.tree.size if self.tree else None,
            )
        if last["sha256"] != digest.hexdigest():
            raise VerificationFailed(
                f"the export is damaged: its checksum is {digest.hexdigest()}, its last line says {last['sha256']}"
            )
        tree, head = self.tree, self.head
        if tree is None or head is None:
            raise VerificationFailed("the export has no entries before its last line")
        if head.size != tree.size:
            raise VerificationFailed(
                f"the signed head counts {head.size} entries, but the log holds {tree.size}",
                position=min(head.size, tree.size),
            )
        if head.root != tree.root:
            raise VerificationFailed(
                f"the signed head has root {head.root.hex()}, but the {tree.size} entries make {tree.root.hex()}"
            )

    def verified(self) -> VerifiedExport:
        """Return the result after the last part."""
        if self.tree is None or self.head is None:
            raise VerificationFailed("the export is empty")
        if self.kept is not None and not self.kept_seen:
            if self.kept.size > self.tree.size:
                raise VerificationFailed(
                    f"the log held {self.kept.size} entries at {self.kept.time}, and holds {self.tree.size} now",
                    position=self.tree.size,
                )
            raise VerificationFailed(
                f"the export starts at entry {self.from_size}, after the kept head of {self.kept.size} entries; "
                f"export from there to compare them"
            )
        return VerifiedExport(
            tenant_id=self.tenant_id,
            from_size=self.from_size,
            size=self.tree.size,
            root=self.tree.root.hex(),
            signed_at=self.head.time,
            disclosed_values=self.disclosed,
            erased_values=self.erased,
            kept_head_size=None if self.kept is None else self.kept.size,
            checkpoint=self.checkpoint,
            public_key=self.key,
        )


def verify_export(path: Path, trust: Trust, on_progress: Progress | None = None) -> VerifiedExport:
    """Verify an export of one part or of several that follow each other. Raises `VerificationFailed`."""
    check = _ExportCheck(trust, on_progress)
    try:
        with path.open("rb") as file:
            lines = iter(file)
            for line in lines:
                check.part(json.loads(line), lines, hashlib.sha256(line))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        position = None if check.tree is None else check.tree.size
        raise VerificationFailed(
            f"the export cannot be read at entry {position}: {error!r}", position=position
        ) from error
    return check.verified()


# ---- receipts


def verify_receipt(document: Any, trust: Trust, consistency: Any = None) -> dict[str, Any]:
    """Verify a payment's receipt and return what it proves. Raises `VerificationFailed`.

    With a kept head the receipt must belong to the same log: its head has the same size and root, or `consistency`
    is the proof between the two.
    """
    try:
        if document.get("format") != RECEIPT_FORMAT:
            raise VerificationFailed(f"this is not a receipt ({RECEIPT_FORMAT})")
        head, _ = trust.opened(
            document["checkpoint"], document["public_key"], document["key_rotations"], "the receipt's head"
        )
        if trust.kept_checkpoint is not None:
            verify_heads(read_checkpoint(trust.kept_checkpoint), head, consistency)
        events = [_receipt_event(entry, document["payment_id"], head) for entry in document["entries"]]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise VerificationFailed(f"the receipt cannot be read: {error!r}") from error
    if not events:
        raise VerificationFailed("the receipt holds no entry")
    last = events[-1]
    return {
        "payment": document["payment_id"],
        "log": head.origin,
        "tree size": head.size,
        "signed at": head.time,
        "events": " → ".join(f"{event['type'].partition('.')[2]} {event['time'][:19]}Z" for event in events),
        "status": last["data"].get("status"),
        "amount": f"{last['data'].get('amount_minor')} {last['data'].get('currency')} (minor units)",
    }


def _receipt_event(entry: dict[str, Any], payment_id: str, head: Head) -> dict[str, Any]:
    position, text = entry["position"], entry["leaf"]
    what = f"entry {position}"
    proof = [bytes.fromhex(hashed) for hashed in entry["proof"]]
    if not verify_inclusion(leaf_hash(text.encode()), position, head.size, proof, head.root):
        raise VerificationFailed(f"{what} is not in the log that the head was signed for", position=position)
    leaf: dict[str, Any] = json.loads(text)
    if canonical_json(leaf) != text:
        raise VerificationFailed(f"{what}: its leaf is not canonical JSON", position=position)
    if leaf["subject"] != payment_id or f"bezant/audit/{leaf['tenant_id']}" != head.origin:
        raise VerificationFailed(f"{what} is about {leaf['subject']} of tenant {leaf['tenant_id']}", position=position)
    for value in entry["personal_values"]:
        if not value["erased"]:
            _check_disclosed(leaf, value, what, position)
    return leaf


def verify_heads(old: Head, new: Head, consistency: Any) -> None:
    """Verify that one head extends the other, whichever is larger. Raises `VerificationFailed`.

    `consistency` is the answer of `/v1/audit/proofs/consistency` between their sizes.
    """
    if old.size > new.size:
        old, new = new, old
    if old.origin != new.origin:
        raise VerificationFailed(f"one head is of {old.origin}, the other of {new.origin}")
    proof = [] if consistency is None else [bytes.fromhex(hashed) for hashed in consistency["proof"]]
    if not verify_consistency(old.size, new.size, old.root, new.root, proof):
        missing = " (no proof of consistency was given)" if consistency is None and old.size != new.size else ""
        raise VerificationFailed(
            f"the head of {new.size} entries does not extend the one of {old.size}: two histories were told{missing}"
        )


# ---- kept heads and the command line


def read_kept_head(path: Path) -> dict[str, str]:
    """Return a head kept from earlier: its checkpoint and public key. Raises `VerificationFailed`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {"checkpoint": str(document["checkpoint"]), "public_key": str(document["public_key"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerificationFailed(f"{path} does not hold a tree head: {error!r}") from error


def keep_head(path: Path, *, checkpoint: str, public_key: str) -> None:
    """Keep a head that was found good."""
    # Replaced as a whole: a head that was half written could not be compared with next time.
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps({"checkpoint": checkpoint, "public_key": public_key}, indent=2) + "\n", encoding="utf-8")
    new.replace(path)


def trust_of(
    head_file: Path | None, public_key: str | None, witnesses: Sequence[str] = (), needed: int | None = None
) -> Trust:
    """Return what is trusted: the key that was given, or else the one of the head that was kept, if there is one."""
    if head_file is None or not head_file.exists():
        return Trust(public_key, witnesses, needed)
    kept = read_kept_head(head_file)
    if not is_signed_by(kept["checkpoint"], kept["public_key"]):
        raise VerificationFailed("the head that was kept is not signed with the key that was kept")
    return Trust(public_key or kept["public_key"], witnesses, needed, kept["checkpoint"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Verify what a Bezant audit log handed out.")
    commands = parser.add_subparsers(dest="command", required=True)
    trusting = argparse.ArgumentParser(add_help=False)
    trusting.add_argument("--head", type=Path, help="a head kept from earlier; an export renews it")
    trusting.add_argument("--public-key", help="the key that has to have signed, or one it was rotated to")
    trusting.add_argument("--witness", action="append", default=[], help="verifier key of a witness; repeatable")
    trusting.add_argument("--witnesses-needed", type=int, help="how many of them must have co-signed (default: all)")
    trusting.add_argument("--json", action="store_true", help="print the result as JSON")
    export = commands.add_parser("export", parents=[trusting], help="verify an export of the log")
    export.add_argument("file", type=Path)
    receipt = commands.add_parser("receipt", parents=[trusting], help="verify a payment's receipt")
    receipt.add_argument("file", type=Path)
    receipt.add_argument("--consistency", type=Path, help="the proof between the kept head and the receipt's")
    consistency = commands.add_parser("consistency", parents=[trusting], help="verify that a head extends another")
    for name in ("old", "new", "proof"):
        consistency.add_argument(name, type=Path)
    return parser


def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.command == "consistency":
        answers = [json.loads(path.read_text("utf-8")) for path in (arguments.old, arguments.new)]
        trust = Trust(arguments.public_key or answers[0]["public_key"], arguments.witness, arguments.witnesses_needed)
        old = Trust(trust.public_key).opened(answers[0]["checkpoint"], answers[0]["public_key"], [], "the old head")[0]
        rotations = answers[1].get("key_rotations", [])
        new = trust.opened(answers[1]["checkpoint"], answers[1]["public_key"], rotations, "the new head")[0]
        verify_heads(old, new, json.loads(arguments.proof.read_text("utf-8")))
        return {"log": new.origin, "from": old.size, "to": new.size}
    trust = trust_of(arguments.head, arguments.public_key, arguments.witness, arguments.witnesses_needed)
    if arguments.command == "receipt":
        proof = arguments.consistency and json.loads(arguments.consistency.read_text("utf-8"))
        return verify_receipt(json.loads(arguments.file.read_text("utf-8")), trust, proof)
    verified = verify_export(arguments.file, trust)
    if arguments.head is not None:
        keep_head(arguments.head, checkpoint=verified.checkpoint, public_key=verified.public_key)
    return asdict(verified)


def _shown(text: str) -> str:
    """Return text of the file in one line that a terminal only shows: nothing in it may write a verdict of its own."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        found = _run(arguments)
    except (VerificationFailed, OSError, ValueError, KeyError) as failed:
        reason = failed.reason if isinstance(failed, VerificationFailed) else f"{type(failed).__name__}: {failed}"
        sys.stderr.write(f"NOT VERIFIED: {_shown(reason)}\n")
        return 1
    if arguments.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        shown = {name.replace("_", " "): _shown(str(value)) for name, value in found.items() if name != "checkpoint"}
        lines = (f"  {name}: {value}\n" for name, value in shown.items())
        sys.stdout.write("VERIFIED\n" + "".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
