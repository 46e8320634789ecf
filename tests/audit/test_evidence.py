"""What leaves the platform and is verified outside: exports, receipts, rotated keys, cosignatures."""

import asyncio
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bezant.cli.audit_witness import cosign_head
from bezant.contracts.identifiers import new_id
from bezant.services.audit.domain.cosignatures import cosign, witness_key
from bezant.services.audit.outside_verification import download_export, verify_log
from bezant.services.audit.storage.tree_head_key import rotate_tree_head_key
from bezant.verifier import audit_log
from bezant.verifier.audit_log import Trust, VerificationFailed, trust_of, verify_export, verify_receipt

from ..stores.fixtures import Stores
from ..stores.http import Api
from .logs import append, corrupt, events


async def export(api: Api, key: str, path: Path, **options: Any) -> str:
    with path.open("wb") as file:
        return await download_export(api.base_url, key, file, **options)


async def test_an_export_in_parts_verifies_with_the_script_alone(
    stores: Stores, tenant: UUID, api: Api, tmp_path: Path
) -> None:
    key, path = api.keys.give(tenant), tmp_path / "log.jsonl"
    await append(stores, tenant, events(tenant, 70))
    digest = await export(api, key, path, limit=32)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert sum(line.startswith(b'{"format"') for line in path.read_bytes().splitlines()) == 3
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", audit_log.__file__, "export", path, "--head", tmp_path / "head.json", "--json"],
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert (found["size"], found["disclosed_values"], found["tenant_id"]) == (70, 140, str(tenant))
    # Later only the growth is fetched, and must fit what was kept.
    await append(stores, tenant, events(tenant, 9))
    await export(api, key, path, start=70)
    grown = verify_export(path, trust_of(tmp_path / "head.json", None))
    assert (grown.from_size, grown.size, grown.kept_head_size) == (70, 79, 70)


async def test_an_export_can_keep_personal_values_to_itself(
    stores: Stores, tenant: UUID, api: Api, tmp_path: Path
) -> None:
    await append(stores, tenant, events(tenant, 5))
    await export(api, api.keys.give(tenant), tmp_path / "log", disclose=False)
    assert "Ada" not in (tmp_path / "log").read_text()
    found = verify_export(tmp_path / "log", Trust())
    assert (found.disclosed_values, found.erased_values) == (0, 10)


async def test_an_export_of_an_empty_log_verifies(tenant: UUID, api: Api, tmp_path: Path) -> None:
    await export(api, api.keys.give(tenant), tmp_path / "log")
    assert verify_export(tmp_path / "log", Trust()).size == 0


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("UPDATE audit.entries SET leaf = replace(leaf, '\"n\":17', '\"n\":18')", "entry 17: its leaf hashes to"),
        ("DELETE FROM audit.entries WHERE position = 9", "entry 9 is missing"),
        ("DELETE FROM audit.entries WHERE position >= 20", "counts 30 entries, but it holds 20"),
        (
            "UPDATE audit.entries e SET leaf = o.leaf, leaf_hash = o.leaf_hash FROM audit.entries o "
            "WHERE (e.position, o.position) IN ((4, 5), (5, 4))",
            "entry 4: the value shown at /context/ip is not the one committed to",
        ),
        (
            "UPDATE audit.entries SET subtree_hashes = decode(repeat('00', octet_length(subtree_hashes)), 'hex')",
            "are not those the log was made of",
        ),
    ],
)
async def test_damage_in_the_database_is_found_in_an_export(
    damage: str, reason: str, stores: Stores, tenant: UUID, api: Api, tmp_path: Path
) -> None:
    await append(stores, tenant, events(tenant, 30))
    await corrupt(stores, tenant, damage)
    await export(api, api.keys.give(tenant), tmp_path / "log")
    with pytest.raises(VerificationFailed, match=reason):
        verify_export(tmp_path / "log", Trust())


async def test_a_kept_head_of_another_tenant_is_refused(stores: Stores, tenant: UUID, api: Api, tmp_path: Path) -> None:
    key, head_file = api.keys.give(tenant), tmp_path / "head.json"
    await append(stores, tenant, events(tenant, 8))
    await verify_log(api.base_url, key, head_file=head_file)
    other = await stores.new_tenant()
    await append(stores, other, events(other, 3))
    await export(api, api.keys.give(other), tmp_path / "log")
    with pytest.raises(VerificationFailed, match=f"the head that was kept is of bezant/audit/{tenant}"):
        verify_export(tmp_path / "log", trust_of(head_file, None))


async def pay(stores: Stores, tenant: UUID) -> UUID:
    """Append what a payment that was captured and refunded leaves in the log."""
    payment_id = new_id()
    for kind in ("payment.captured", "payment.refunded"):
        data = {"status": kind.partition(".")[2], "amount_minor": 1_250, "currency": "USD", "reference": "for Ada"}
        await append(stores, tenant, events(tenant, 1, type=kind, subject=str(payment_id), data=data))
        # An assessment has the same subject, and is no part of the receipt.
        await append(stores, tenant, events(tenant, 3, topic="fraud.events", subject=str(payment_id)))
    return payment_id


async def test_a_receipt_carries_its_proofs_and_verifies_offline(
    stores: Stores, tenant: UUID, api: Api, tmp_path: Path
) -> None:
    key = api.keys.give(tenant, "payments:read")
    await append(stores, tenant, events(tenant, 20))
    payment_id = await pay(stores, tenant)
    await append(stores, tenant, events(tenant, 15))
    status, receipt = await api.call(key, "GET", f"/v1/payments/{payment_id}/receipt")
    assert status == 200
    found = verify_receipt(receipt, Trust(public_key=receipt["public_key"]))
    assert (found["status"], found["amount"], found["tree size"]) == ("refunded", "1250 USD (minor units)", 43)
    assert len(receipt["entries"]) == 2
    assert "Ada" not in json.dumps(receipt)
    _, disclosed = await api.call(key, "GET", f"/v1/payments/{payment_id}/receipt", disclose="true")
    assert [value["value"] for value in disclosed["entries"][0]["personal_values"]] == ["for Ada"]
    verify_receipt(disclosed, Trust())
    # Against a head kept from an earlier time, with the proof between the two.
    auditor = api.keys.give(tenant)
    await verify_log(api.base_url, auditor, head_file=tmp_path / "head.json")
    await append(stores, tenant, events(tenant, 7))
    _, later = await api.call(key, "GET", f"/v1/payments/{payment_id}/receipt")
    _, proof = await api.call(auditor, "GET", "/v1/audit/proofs/consistency", from_=43, to=50)
    verify_receipt(later, trust_of(tmp_path / "head.json", None), proof)
    with pytest.raises(VerificationFailed, match="two histories"):
        verify_receipt(later, trust_of(tmp_path / "head.json", None), proof | {"proof": proof["proof"][1:]})


async def test_a_receipt_of_nothing_or_of_another_tenant_is_not_found(stores: Stores, tenant: UUID, api: Api) -> None:
    payment_id = await pay(stores, tenant)
    other = api.keys.give(await stores.new_tenant())
    for key, wanted in ((other, payment_id), (api.keys.give(tenant), new_id())):
        status, problem = await api.call(key, "GET", f"/v1/payments/{wanted}/receipt")
        assert (status, problem["code"]) == (404, "audit_receipt_not_found")
    path = f"/v1/payments/{payment_id}/receipt"
    assert (await api.call(api.keys.give(tenant, "fraud:read"), "GET", path))[0] == 403
    assert (await api.call(api.keys.give(tenant), "GET", "/v1/payments/x/receipt"))[0] == 400
    assert (await api.call(api.keys.give(tenant), "GET", "/v1/audit/export", from_=99))[1]["code"] == (
        "audit_export_range_invalid"
    )


async def test_a_receipt_stays_valid_when_the_person_s_data_is_erased(stores: Stores, tenant: UUID, api: Api) -> None:
    key = api.keys.give(tenant, "payments:read", "audit:read", "audit:write")
    payment_id, account = await pay(stores, tenant), new_id()
    data = {"source_account_id": str(account), "reference": "for Ada", "status": "captured"}
    await append(stores, tenant, events(tenant, 2, subject="another-payment", data=data))
    path = f"/v1/payments/{payment_id}/receipt"
    _, before = await api.call(key, "GET", path, disclose="true")
    body = {"subjects": [str(payment_id)], "account_ids": [str(account)]}
    status, answer = await api.call(key, "POST", "/v1/audit/erasures", body)
    # Two events of the payment, six assessments with a reference and an address each, two that name the account.
    assert (status, answer["erased_values"]) == (200, 2 + 6 * 2 + 2)
    verify_receipt(before, Trust())
    _, after = await api.call(key, "GET", path, disclose="true")
    verify_receipt(after, Trust())
    assert "Ada" not in json.dumps(after)
    assert (await api.call(key, "POST", "/v1/audit/erasures", {}))[0] == 400


async def test_a_rotated_key_is_followed_from_the_one_that_was_kept(
    stores: Stores, tenant: UUID, api: Api, tmp_path: Path
) -> None:
    key, head_file = api.keys.give(tenant), tmp_path / "head.json"
    await append(stores, tenant, events(tenant, 6))
    first = await verify_log(api.base_url, key, head_file=head_file)
    _, old_head = await api.call(key, "GET", "/v1/audit/tree-head")
    signing = await rotate_tree_head_key(stores.secrets)
    # The head of the same size now carries both signatures, so that either key opens it.
    _, head = await api.call(key, "GET", "/v1/audit/tree-head")
    assert head["checkpoint"].startswith(old_head["checkpoint"])
    assert head["public_key"] == signing.public != old_head["public_key"]
    assert (await api.call(key, "GET", "/v1/audit/tree-head"))[1] == head
    await append(stores, tenant, events(tenant, 4))
    await rotate_tree_head_key(stores.secrets)
    second = await verify_log(api.base_url, key, head_file=head_file)
    assert (second.size, second.kept_head_size) == (10, 6)
    assert second.public_key not in (first.public_key, signing.public)
    assert json.loads(head_file.read_text())["public_key"] == second.public_key
    _, keys = await api.call(key, "GET", "/v1/audit/keys")
    assert (keys["public_key"], len(keys["key_rotations"])) == (second.public_key, 2)


async def test_a_witness_cosigns_what_extends_the_head_it_kept_and_nothing_else(
    stores: Stores, tenant: UUID, api: Api, tmp_path: Path
) -> None:
    owner = api.keys.give(tenant, "audit:read", "audit:write")
    key, state = api.keys.give(tenant, "audit:read"), tmp_path / "witness"
    await append(stores, tenant, events(tenant, 5))
    verifier = (await cosign_head(api.base_url, None, state, "witness.example")).witness
    status, added = await api.call(owner, "POST", "/v1/audit/witnesses", {"verifier_key": verifier})
    assert (status, added["name"], added["added_by"]) == (201, "witness.example", f"key:{owner}")
    first = await cosign_head(api.base_url, key, state, "ignored")
    assert (first.size, first.extends_size) == (6, None)
    await append(stores, tenant, events(tenant, 5))
    second = await cosign_head(api.base_url, key, state, "ignored")
    assert (second.size, second.extends_size) == (11, 6)
    path = tmp_path / "log"
    await export(api, key, path)
    assert verify_export(path, Trust(witnesses=[verifier])).size == 11
    # The log is rewritten: the witness notices, and its missing signature is noticed by everybody else.
    for table in ("entries", "head_signatures", "tree_heads", "personal_values"):
        await corrupt(stores, tenant, f"DELETE FROM audit.{table}", table)
    await corrupt(stores, tenant, "UPDATE audit.tree_state SET tree_size = 0, frontier = ''", "tree_state")
    await append(stores, tenant, events(tenant, 14))
    with pytest.raises(VerificationFailed, match="does not extend the one of 11"):
        await cosign_head(api.base_url, key, state, "ignored")
    await export(api, key, path)
    with pytest.raises(VerificationFailed, match="co-signed by 0 of the witnesses"):
        verify_export(path, Trust(witnesses=[verifier]))


async def test_only_good_cosignatures_of_known_witnesses_are_taken(stores: Stores, tenant: UUID, api: Api) -> None:
    owner, reader = api.keys.give(tenant, "audit:read", "audit:write"), api.keys.give(tenant, "audit:read")
    witness, stranger = (Ed25519PrivateKey.from_private_bytes(letter * 32) for letter in (b"w", b"s"))
    body = {"verifier_key": witness_key("w", witness)}
    assert (await api.call(reader, "POST", "/v1/audit/witnesses", body))[0] == 403
    assert (await api.call(owner, "POST", "/v1/audit/witnesses", body))[0] == 201
    status, problem = await api.call(owner, "POST", "/v1/audit/witnesses", body)
    assert (status, problem["code"]) == (409, "audit_witness_exists")
    status, problem = await api.call(owner, "POST", "/v1/audit/witnesses", {"verifier_key": "w+00000000+BAAA"})
    assert (status, problem["code"]) == (422, "audit_witness_invalid")
    _, head = await api.call(reader, "GET", "/v1/audit/tree-head")
    good = cosign(head["checkpoint"], "w", witness, seconds=5)
    of_another = cosign(head["checkpoint"].replace("\n1\n", "\n2\n"), "w", witness, seconds=5)
    for size, line, expected in [
        (9, good, (404, "audit_tree_head_not_found")),
        (1, cosign(head["checkpoint"], "s", stranger, seconds=5), (422, "audit_cosignature_invalid")),
        (1, cosign(head["checkpoint"], "w", stranger, seconds=5), (422, "audit_cosignature_invalid")),
        (1, of_another, (422, "audit_cosignature_invalid")),
        (1, "nonsense w/o form", (422, "audit_cosignature_invalid")),
    ]:
        body = {"tree_size": size, "cosignature": line}
        status, problem = await api.call(reader, "POST", "/v1/audit/cosignatures", body)
        assert (status, problem["code"]) == expected
    for _ in range(2):
        status, answer = await api.call(
            reader, "POST", "/v1/audit/cosignatures", {"tree_size": 1, "cosignature": good + good}
        )
        assert (status, answer["checkpoint"]) == (200, head["checkpoint"] + good)
    assert (await api.call(owner, "DELETE", "/v1/audit/witnesses/w"))[0] == 204
    assert (await api.call(owner, "DELETE", "/v1/audit/witnesses/w"))[1]["code"] == "audit_witness_not_found"
    assert (await api.call(reader, "GET", "/v1/audit/witnesses"))[1] == {"data": []}
    _, log = await api.call(reader, "GET", "/v1/audit/entries")
    assert [entry["type"] for entry in log["data"]] == ["audit.witness_added", "audit.witness_removed"]
    await download_export(api.base_url, reader, io.BytesIO())
