"""The stand-alone verifier against its sources' vectors, and against every kind of tampering."""

import ast
import copy
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bezant.services.audit.domain.cosignatures import cosign, witness_key
from bezant.services.audit.domain.merkle import append, inclusion_ranges, range_hashes, root
from bezant.services.audit.domain.tree_heads import also_signed, sign_rotation, verifier_key
from bezant.verifier import audit_log
from bezant.verifier.audit_log import (
    Trust,
    VerificationFailed,
    VerifiedExport,
    canonical_json,
    ed25519_verifies,
    verify_export,
    verify_receipt,
)

from .audit_exports import KEY, Line, checkpoint, export_lines, leaf_of, resealed, write
from .test_audit_merkle import stored_subtrees

SCRIPT = Path(audit_log.__file__)
LEAVES = [leaf_of(number) for number in range(23)]
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
THIRD = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
NOW = datetime(2026, 1, 3, tzinfo=UTC)


def test_the_verifier_needs_nothing_but_python() -> None:
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else name.name).partition(".")[0]  # type: ignore[union-attr]
        for node in ast.walk(ast.parse(SCRIPT.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert imported <= sys.stdlib_module_names


# RFC 8032 §7.1, tests 1, 2, 3 and SHA(abc)
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_ed25519_accepts_the_vectors_of_rfc_8032(public: str, message: str, signature: str) -> None:
    key, text, signed = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed25519_verifies(key, text, signed)
    assert not ed25519_verifies(key, text + b"x", signed)
    # S + L is the same number modulo L: RFC 8032 §5.1.7 refuses it, so that a signature has one form.
    order = 2**252 + 27742317777372353535851937790883648493
    malleable = signed[:32] + (int.from_bytes(signed[32:], "little") + order).to_bytes(32, "little")
    assert not ed25519_verifies(key, text, malleable)
    assert not ed25519_verifies(key, text, signed[:-1])
    assert not ed25519_verifies(b"\xff" * 32, text, signed)


@settings(max_examples=20)
@given(st.binary(max_size=200), st.integers(0, 511))
def test_ed25519_agrees_with_another_implementation(message: bytes, bit: int) -> None:
    signature = KEY.sign(message)
    public = KEY.public_key().public_bytes_raw()
    assert ed25519_verifies(public, message, signature)
    flipped = (int.from_bytes(signature) ^ 1 << bit).to_bytes(64)
    assert not ed25519_verifies(public, message, flipped)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_canonical_json_is_that_of_another_implementation(value: Any) -> None:
    assert canonical_json(value).encode() == rfc8785.dumps(value)


def verified(path: Path, trust: Trust | None = None) -> VerifiedExport:
    return verify_export(path, trust or Trust())


def kept(size: int, key: Ed25519PrivateKey = KEY) -> Trust:
    hashed = root(append(0, [], [leaf.hash for leaf in LEAVES[:size]]).frontier)
    return Trust(public_key=verifier_key(key), kept_checkpoint=checkpoint(size, hashed, key))


def test_an_honest_export_verifies_whole_in_parts_and_from_any_entry(tmp_path: Path) -> None:
    whole = verified(write(tmp_path / "whole", export_lines(LEAVES)), kept(9))
    assert (whole.size, whole.kept_head_size, whole.disclosed_values) == (23, 9, 23)
    parts = [export_lines(LEAVES[:end], start=start) for start, end in ((0, 6), (6, 14), (14, 23))]
    assert verified(write(tmp_path / "parts", *parts), kept(11)).root == whole.root
    for start in range(24):
        growth = verified(write(tmp_path / "growth", export_lines(LEAVES, start=start)), kept(start))
        assert (growth.from_size, growth.root, growth.kept_head_size) == (start, whole.root, start)


def alter(lines: list[Line]) -> None:
    lines[8]["leaf"] = lines[8]["leaf"].replace('"amount_minor":107', '"amount_minor":907')


def alter_with_its_hash(lines: list[Line]) -> None:
    alter(lines)
    lines[8]["leaf_hash"] = audit_log.leaf_hash(lines[8]["leaf"].encode()).hex()


def delete(lines: list[Line]) -> None:
    del lines[8]
    lines[-1]["entries"] -= 1


def reorder(lines: list[Line]) -> None:
    lines[8], lines[9] = lines[9], lines[8]


def reorder_with_positions(lines: list[Line]) -> None:
    reorder(lines)
    lines[8]["position"], lines[9]["position"] = 7, 8
    lines[8]["subtrees"], lines[9]["subtrees"] = lines[9]["subtrees"], lines[8]["subtrees"]


def truncate(lines: list[Line]) -> None:
    del lines[20:24]
    lines[-1]["entries"] -= 4


def append_one(lines: list[Line]) -> None:
    lines.insert(-1, export_lines([*LEAVES, leaf_of(23)])[24])
    lines[-1]["entries"] += 1


def repeat(lines: list[Line]) -> None:
    lines.insert(9, dict(lines[8]))
    lines[-1]["entries"] += 1


def disclose_something_else(lines: list[Line]) -> None:
    lines[8]["personal_values"][0]["value"] = "Mallory"


def change_the_past(lines: list[Line]) -> None:
    lines[0]["frontier"] = ["00" * 32]
    lines[0]["from_size"] = 1
    del lines[1]
    lines[-1]["entries"] -= 1


def another_tenant(lines: list[Line]) -> None:
    lines[0]["tenant_id"] = "0197a7f0-0000-7000-8000-000000000002"


TAMPERED: list[tuple[Callable[[list[Line]], None], str]] = [
    (alter, "entry 7: its leaf hashes to"),
    (alter_with_its_hash, "entries 6 to 7 are not those"),
    (delete, "entry 7 is missing"),
    (reorder, "entry 7 is missing"),
    (reorder_with_positions, "are not those the log was made of"),
    (truncate, "counts 23 entries, but the log holds 19"),
    (append_one, "counts 23 entries, but the log holds 24"),
    (repeat, "entry 8 is missing"),
    (disclose_something_else, "entry 7: the value shown at /note"),
    (change_the_past, "are not those the log was made of"),
    (another_tenant, "the head belongs to"),
]


@pytest.mark.parametrize(("tamper", "reason"), TAMPERED)
def test_tampering_is_named_though_its_checksum_is_right(
    tamper: Callable[[list[Line]], None], reason: str, tmp_path: Path
) -> None:
    lines = copy.deepcopy(export_lines(LEAVES))
    tamper(lines)
    with pytest.raises(VerificationFailed, match=reason):
        verified(write(tmp_path / "log", lines))


@pytest.mark.parametrize("tamper", [alter, delete, reorder, truncate, append_one, repeat])
def test_recomputing_every_hash_does_not_help_without_the_key(
    tamper: Callable[[list[Line]], None], tmp_path: Path
) -> None:
    lines = copy.deepcopy(export_lines(LEAVES))
    tamper(lines)
    with pytest.raises(VerificationFailed, match="the signed head"):
        verified(write(tmp_path / "log", resealed(lines)))
    with pytest.raises(VerificationFailed, match=r"no rotation leads to it|is signed with another key"):
        verified(write(tmp_path / "log", resealed(lines, OTHER)), Trust(public_key=verifier_key(KEY)))


@pytest.mark.parametrize("tamper", [alter, delete, reorder])
def test_a_fork_signed_with_the_right_key_is_found_by_a_kept_head(
    tamper: Callable[[list[Line]], None], tmp_path: Path
) -> None:
    lines = copy.deepcopy(export_lines(LEAVES))
    tamper(lines)
    path = write(tmp_path / "log", resealed(lines, KEY))
    # Alone it looks good: only somebody who kept an earlier head can tell.
    assert verified(path).size in (22, 23)
    with pytest.raises(VerificationFailed, match="does not extend the one of"):
        verified(path, kept(15))


def test_a_log_cut_back_behind_a_kept_head_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "log", export_lines(LEAVES[:12]))
    assert verified(path, kept(12)).size == 12
    with pytest.raises(VerificationFailed, match=r"the log held 13 entries at .*, and holds 12 now"):
        verified(path, kept(13))
    with pytest.raises(VerificationFailed, match="starts at entry 8, after the kept head of 5"):
        verified(write(tmp_path / "late", export_lines(LEAVES, start=8)), kept(5))


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_file_that_breaks_off_is_not_verified(cut: int, tmp_path: Path) -> None:
    def shortened(raw: bytes) -> bytes:
        lines = raw.splitlines(keepends=True)
        return b"".join(lines[: [0, 1, -1][cut]])

    with pytest.raises(VerificationFailed, match=r"empty|breaks off"):
        verified(write(tmp_path / "log", export_lines(LEAVES), change=shortened))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_single_changed_byte_goes_unnoticed(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write(tmp_path_factory.mktemp("log") / "log", export_lines(LEAVES[:4]))
    raw = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        found = verified(path, Trust(public_key=verifier_key(KEY)))
    except VerificationFailed:
        return
    # Only what nothing depends on may differ: white space after the last line's JSON.
    assert found.root == verified(write(path, export_lines(LEAVES[:4]))).root
    assert place >= len(raw) - 1


def test_a_rotated_key_is_accepted_through_its_chain_only(tmp_path: Path) -> None:
    first, second = sign_rotation(KEY, OTHER, NOW), sign_rotation(OTHER, THIRD, NOW)
    path = write(tmp_path / "log", export_lines(LEAVES, key=THIRD, rotations=[first, second]))
    for pinned in (KEY, OTHER, THIRD):
        found = verified(path, Trust(public_key=verifier_key(pinned)))
        assert found.public_key == verifier_key(THIRD)
    for rotations in (
        [],
        [second],
        [first],
        [sign_rotation(KEY, OTHER, NOW).replace("time 2026", "time 2027"), second],
    ):
        forged = write(tmp_path / "forged", export_lines(LEAVES, key=THIRD, rotations=rotations))
        with pytest.raises(VerificationFailed, match=r"no rotation leads to it|does not fit the text"):
            verified(forged, Trust(public_key=verifier_key(KEY)))
    # Mallory announces herself: her note has no signature of the old key.
    unsigned = sign_rotation(THIRD, OTHER, NOW).replace(verifier_key(THIRD), verifier_key(KEY), 1)
    with pytest.raises(VerificationFailed, match="not signed by both keys"):
        verified(
            write(tmp_path / "mallory", export_lines(LEAVES, key=OTHER, rotations=[unsigned])),
            Trust(public_key=verifier_key(KEY)),
        )


def test_a_head_signed_by_the_old_and_the_new_key_opens_with_both(tmp_path: Path) -> None:
    lines = export_lines(LEAVES)
    lines[0]["checkpoint"] += also_signed(lines[0]["checkpoint"], OTHER)
    path = write(tmp_path / "log", lines)
    for key in (KEY, OTHER):
        assert verified(path, Trust(public_key=verifier_key(key))).size == 23


def test_witnesses_that_are_asked_for_must_have_cosigned(tmp_path: Path) -> None:
    ours, theirs = witness_key("witness.example", OTHER), witness_key("other.example", THIRD)
    lines = export_lines(LEAVES)
    lines[0]["checkpoint"] += cosign(lines[0]["checkpoint"], "witness.example", OTHER, seconds=1_790_000_000)
    path = write(tmp_path / "log", lines)
    assert verified(path, Trust(witnesses=[ours])).size == 23
    assert verified(path, Trust(witnesses=[ours, theirs], witnesses_needed=1)).size == 23
    with pytest.raises(VerificationFailed, match="co-signed by 1 of the witnesses; 2 are asked for"):
        verified(path, Trust(witnesses=[ours, theirs]))
    backdated = copy.deepcopy(lines)
    other = cosign(export_lines(LEAVES[:5])[0]["checkpoint"], "witness.example", OTHER, seconds=1)
    backdated[0]["checkpoint"] = export_lines(LEAVES)[0]["checkpoint"] + other
    with pytest.raises(VerificationFailed, match="does not fit the checkpoint"):
        verified(write(tmp_path / "log", backdated), Trust(witnesses=[ours]))


def receipt(position: int, size: int = 23) -> dict[str, Any]:
    hashes = [leaf.hash for leaf in LEAVES[:size]]
    proof = range_hashes(inclusion_ranges(position, size), stored_subtrees(hashes))
    entry = export_lines(LEAVES[:size])[1 + position]
    return {
        "format": "bezant-receipt/1",
        "payment_id": f"payment-{position}",
        "checkpoint": checkpoint(size, root(append(0, [], hashes).frontier)),
        "public_key": verifier_key(KEY),
        "key_rotations": [],
        "entries": [
            {
                "position": position,
                "leaf": entry["leaf"],
                "proof": [hashed.hex() for hashed in proof],
                "personal_values": entry["personal_values"],
            }
        ],
    }


def test_a_receipt_verifies_offline_and_names_what_it_proves() -> None:
    for position in range(23):
        found = verify_receipt(receipt(position), Trust(public_key=verifier_key(KEY)))
        assert found["payment"] == f"payment-{position}"
        assert (found["status"], found["amount"]) == ("captured", f"{100 + position} USD (minor units)")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r["entries"][0].update(leaf=r["entries"][0]["leaf"].replace("105", "999")), "entry 5 is not in the"),
        (lambda r: r["entries"][0].update(position=4), "entry 4 is not in the"),
        (lambda r: r["entries"][0]["proof"].pop(), "entry 5 is not in the"),
        (lambda r: r.update(payment_id="payment-6"), "is about payment-5"),
        (lambda r: r.update(entries=[]), "holds no entry"),
        (lambda r: r["entries"][0]["personal_values"][0].update(value="x"), "not the one committed to"),
        (lambda r: r.update(public_key=verifier_key(OTHER)), "another key"),
        (lambda r: r.update(checkpoint=r["checkpoint"].replace("\n23\n", "\n24\n")), "does not fit the text"),
        (lambda r: r.update(format="x"), "not a receipt"),
        (lambda r: r.pop("checkpoint"), "cannot be read"),
    ],
)
def test_a_tampered_receipt_is_refused(change: Callable[[dict[str, Any]], Any], reason: str) -> None:
    document = copy.deepcopy(receipt(5))
    change(document)
    with pytest.raises(VerificationFailed, match=reason):
        verify_receipt(document, Trust())


def test_a_receipt_of_a_forked_log_is_refused_by_a_kept_head() -> None:
    trust = kept(23)
    assert verify_receipt(receipt(5), trust)["tree size"] == 23
    with pytest.raises(VerificationFailed, match="no proof of consistency was given"):
        verify_receipt(receipt(5, size=20), trust)
    forked = receipt(5)
    hashes = [leaf.hash for leaf in [*LEAVES[:22], leaf_of(99)]]
    proof = range_hashes(inclusion_ranges(5, 23), stored_subtrees(hashes))
    forked["checkpoint"] = checkpoint(23, root(append(0, [], hashes).frontier))
    forked["entries"][0]["proof"] = [hashed.hex() for hashed in proof]
    assert verify_receipt(forked, Trust())["tree size"] == 23
    with pytest.raises(VerificationFailed, match="two histories were told"):
        verify_receipt(forked, trust)


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", SCRIPT, *map(str, words)], capture_output=True, text=True, check=False)


def test_the_script_runs_alone_keeps_the_head_and_answers_by_exit_code(tmp_path: Path) -> None:
    head = tmp_path / "head.json"
    path = write(tmp_path / "log", export_lines(LEAVES[:10]))
    done = run("export", path, "--head", head, "--json")
    assert (done.returncode, json.loads(done.stdout)["size"]) == (0, 10)
    write(path, export_lines(LEAVES, start=10))
    done = run("export", path, "--head", head)
    assert done.returncode == 0
    assert done.stdout.startswith("VERIFIED\n")
    kept_head = head.read_text()
    lines = copy.deepcopy(export_lines(LEAVES))
    alter(lines)
    done = run("export", write(path, resealed(lines, KEY)), "--head", head)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("NOT VERIFIED: the log of today does not extend")
    assert head.read_text() == kept_head
    (tmp_path / "receipt").write_text(json.dumps(receipt(3)))
    assert run("receipt", tmp_path / "receipt", "--head", head).returncode == 0
    assert run("receipt", tmp_path / "nothing").returncode == 1
    assert run("export").returncode == 2
