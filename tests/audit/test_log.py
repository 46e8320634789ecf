"""The audit log on a real PostgreSQL, read and verified over HTTP."""

import asyncio
import base64
import json
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from bezant.contracts.identifiers import new_id
from bezant.services.audit.outside_verification import verify_log
from bezant.services.audit.storage.tree_head_key import TREE_HEAD_KEY
from bezant.verifier.audit_log import VerificationFailed, verify_consistency, verify_inclusion

from ..stores.fixtures import Stores
from ..stores.http import Api
from .logs import append, corrupt, events


async def test_every_event_becomes_one_entry_however_often_it_is_delivered(stores: Stores, tenant: UUID) -> None:
    batch = events(tenant, 40)
    assert await append(stores, tenant, batch[:25]) == 25
    assert await append(stores, tenant, [*batch[10:], batch[0], batch[-1]]) == 15
    rows = await stores.as_superuser(tenant, "SELECT entry_id FROM audit.entries ORDER BY position")
    assert [row[0] for row in rows] == [event.id for event in batch]


async def test_concurrent_writers_make_one_gapless_log(stores: Stores, tenant: UUID, api: Api) -> None:
    batch = events(tenant, 300)
    # Every event twice, in overlapping groups, as two replicas would get them after a rebalance.
    groups = [batch[start : start + 20] for start in range(0, 300, 10)]
    await asyncio.gather(*(append(stores, tenant, group) for group in groups))
    verified = await verify_log(api.base_url, api.keys.give(tenant))
    assert verified.size == 300


async def test_a_log_verifies_from_outside_and_keeps_its_head(
    stores: Stores, tenant: UUID, api: Api, tmp_path: Path
) -> None:
    key, head_file = api.keys.give(tenant), tmp_path / "head.json"
    first = await verify_log(api.base_url, key, head_file=head_file)
    assert (first.size, first.kept_head_size) == (0, None)
    await append(stores, tenant, events(tenant, 1_501))
    seen: list[tuple[int, int]] = []
    second = await verify_log(
        api.base_url, key, head_file=head_file, on_progress=lambda *progress: seen.append(progress)
    )
    assert (second.size, second.kept_head_size, second.disclosed_values) == (1_501, 0, 3_002)
    assert (seen[0], seen[-1]) == ((1, 1_501), (1_501, 1_501))
    await append(stores, tenant, events(tenant, 10))
    third = await verify_log(api.base_url, key, head_file=head_file)
    assert (third.size, third.kept_head_size) == (1_511, 1_501)


async def test_proofs_over_http_verify(stores: Stores, tenant: UUID, api: Api) -> None:
    key = api.keys.give(tenant)
    batch = events(tenant, 77)
    await append(stores, tenant, batch)
    for position in (0, 31, 64, 76):
        status, proof = await api.call(key, "GET", "/v1/audit/proofs/inclusion", entry_id=batch[position].id)
        assert (status, proof["position"], proof["tree_size"]) == (200, position, 77)
        assert verify_inclusion(
            bytes.fromhex(proof["leaf_hash"]),
            position,
            77,
            [bytes.fromhex(each) for each in proof["proof"]],
            bytes.fromhex(proof["root_hash"]),
        )
    status, answer = await api.call(key, "GET", "/v1/audit/proofs/consistency", from_=33, to=70)
    assert status == 200
    assert verify_consistency(
        33,
        70,
        bytes.fromhex(answer["from_root_hash"]),
        bytes.fromhex(answer["to_root_hash"]),
        [bytes.fromhex(each) for each in answer["proof"]],
    )
    _, head = await api.call(key, "GET", "/v1/audit/tree-head")
    assert head["root_hash"] == proof["root_hash"]
    assert (await api.call(key, "GET", "/v1/audit/tree-head"))[1] == head


async def test_a_changed_entry_is_named(stores: Stores, tenant: UUID, api: Api) -> None:
    await append(stores, tenant, events(tenant, 30))
    await corrupt(stores, tenant, "UPDATE audit.entries SET leaf = replace(leaf, '\"n\":17', '\"n\":18')")
    with pytest.raises(VerificationFailed, match="entry 17: its leaf hashes to") as failed:
        await verify_log(api.base_url, api.keys.give(tenant))
    assert failed.value.position == 17


async def test_an_entry_rewritten_with_its_hash_is_still_found(stores: Stores, tenant: UUID, api: Api) -> None:
    await append(stores, tenant, events(tenant, 30))
    await corrupt(
        stores,
        tenant,
        "UPDATE audit.entries SET leaf = replace(leaf, '\"n\":17', '\"n\":18'), "
        "leaf_hash = sha256('\\x00' || convert_to(replace(leaf, '\"n\":17', '\"n\":18'), 'UTF8')) WHERE position = 17",
    )
    with pytest.raises(VerificationFailed, match="the entries 16 to 17 are not those the log was made of") as failed:
        await verify_log(api.base_url, api.keys.give(tenant))
    assert failed.value.position == 16


async def test_a_removed_entry_and_a_forged_value_are_found(stores: Stores, tenant: UUID, api: Api) -> None:
    key = api.keys.give(tenant)
    await append(stores, tenant, events(tenant, 12))
    await corrupt(
        stores, tenant, "UPDATE audit.personal_values SET value = '\"x\"' WHERE position = 3", "personal_values"
    )
    with pytest.raises(VerificationFailed, match="entry 3: the value shown at /") as failed:
        await verify_log(api.base_url, key)
    await corrupt(stores, tenant, "DELETE FROM audit.entries WHERE position = 2")
    with pytest.raises(VerificationFailed, match="entry 2 is missing") as failed:
        await verify_log(api.base_url, key)
    assert failed.value.position == 2


async def test_history_rewritten_behind_a_kept_head_is_found(
    stores: Stores, tenant: UUID, api: Api, tmp_path: Path
) -> None:
    key, head_file = api.keys.give(tenant), tmp_path / "head.json"
    await append(stores, tenant, events(tenant, 20))
    await verify_log(api.base_url, key, head_file=head_file)
    # The operator throws the log away and writes another, signed with the right key.
    for table in ("entries", "tree_heads", "personal_values"):
        await corrupt(stores, tenant, f"DELETE FROM audit.{table}", table)
    await corrupt(stores, tenant, "UPDATE audit.tree_state SET tree_size = 0, frontier = ''", "tree_state")
    await append(stores, tenant, events(tenant, 25))
    assert (await verify_log(api.base_url, key)).size == 25
    with pytest.raises(VerificationFailed, match="does not extend the one of"):
        await verify_log(api.base_url, key, head_file=head_file)


async def test_another_signing_key_is_refused(stores: Stores, tenant: UUID, api: Api, tmp_path: Path) -> None:
    key, head_file = api.keys.give(tenant), tmp_path / "head.json"
    await append(stores, tenant, events(tenant, 3))
    await verify_log(api.base_url, key, head_file=head_file)
    kept = json.loads(head_file.read_text())
    head_file.write_text(json.dumps(kept | {"public_key": "bezant-audit+00000000+AQ=="}))
    with pytest.raises(VerificationFailed, match="is not a verifier key"):
        await verify_log(api.base_url, key, head_file=head_file)
    # The operator signs with a key of which the one before knows nothing.
    head_file.write_text(json.dumps(kept))
    await append(stores, tenant, events(tenant, 3))
    stores.secrets.values[TREE_HEAD_KEY] = {"private_key": base64.b64encode(b"x" * 32).decode()}
    with pytest.raises(VerificationFailed, match="no rotation leads to it"):
        await verify_log(api.base_url, key, head_file=head_file)


async def test_erasing_personal_values_leaves_every_proof_valid(
    stores: Stores, tenant: UUID, api: Api, tmp_path: Path
) -> None:
    key, head_file = api.keys.give(tenant, "audit:read", "audit:write"), tmp_path / "head.json"
    await append(stores, tenant, events(tenant, 9))
    await verify_log(api.base_url, key, head_file=head_file)
    status, answer = await api.call(key, "POST", "/v1/audit/erasures", {"subjects": ["payment-4", "unknown"]})
    assert (status, answer) == (200, {"erased_values": 2})
    verified = await verify_log(api.base_url, key, head_file=head_file)
    assert (verified.size, verified.erased_values, verified.disclosed_values) == (10, 2, 16)
    _, page = await api.call(key, "GET", "/v1/audit/entries", subject="payment-4")
    assert [value["erased"] for value in page["data"][0]["personal_values"]] == [True, True]
    assert "Ada 4" not in json.dumps(await stores.as_superuser(tenant, "SELECT leaf FROM audit.entries"))
    _, page = await api.call(key, "GET", "/v1/audit/entries", type="audit.personal_values_erased")
    assert page["data"][0]["actor"] == f"key:{key}"


async def test_entries_are_listed_by_page_and_by_filter(stores: Stores, tenant: UUID, api: Api) -> None:
    key = api.keys.give(tenant)
    await append(stores, tenant, [*events(tenant, 7), *events(tenant, 3, type="payment.captured", actor="key:def")])
    positions, cursor = [], {}
    while True:
        status, page = await api.call(key, "GET", "/v1/audit/entries", limit=4, **cursor)
        assert status == 200
        positions += [entry["position"] for entry in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert positions == list(range(10))
    for query, found in [
        ({"type": "payment.captured"}, [7, 8, 9]),
        ({"actor": "key:def", "subject": "payment-1"}, [8]),
        ({"occurred_from": "2100-01-01T00:00:00Z"}, []),
        ({"occurred_before": "2100-01-01T00:00:00Z", "limit": 1}, [0]),
    ]:
        _, page = await api.call(key, "GET", "/v1/audit/entries", **query)
        assert [entry["position"] for entry in page["data"]] == found
    entry_id = page["data"][0]["entry_id"]
    assert (await api.call(key, "GET", f"/v1/audit/entries/{entry_id}"))[1] == page["data"][0]


async def test_bad_requests_are_refused_with_a_code(stores: Stores, tenant: UUID, api: Api) -> None:
    key = api.keys.give(tenant)
    batch = events(tenant, 5)
    await append(stores, tenant, batch)
    for path, query, status, code in [
        ("/v1/audit/entries", {"cursor": "x"}, 400, "invalid_cursor"),
        ("/v1/audit/entries", {"cursor": "_____________________w"}, 400, "invalid_cursor"),
        ("/v1/audit/entries", {"limit": 0}, 400, "invalid_request"),
        ("/v1/audit/entries", {"occurred_from": "2026-01-01T00:00:00"}, 400, "invalid_request"),
        ("/v1/audit/entries", {"type": "a\x00b"}, 400, "invalid_request"),
        ("/v1/audit/proofs/inclusion", {}, 400, "invalid_request"),
        ("/v1/audit/proofs/inclusion", {"entry_id": "x"}, 400, "invalid_request"),
        ("/v1/audit/proofs/inclusion", {"entry_id": new_id()}, 404, "audit_entry_not_found"),
        ("/v1/audit/proofs/inclusion", {"entry_id": batch[3].id, "tree_size": 6}, 400, "audit_tree_size_invalid"),
        ("/v1/audit/proofs/inclusion", {"entry_id": batch[3].id, "tree_size": 3}, 400, "audit_tree_size_invalid"),
        ("/v1/audit/proofs/consistency", {"from": 4, "to": 3}, 400, "audit_tree_size_invalid"),
        ("/v1/audit/proofs/consistency", {"from": 4, "to": 2**70}, 400, "invalid_request"),
        ("/v1/audit/proofs/consistency", {"to": 2}, 400, "invalid_request"),
        (f"/v1/audit/entries/{new_id()}", {}, 404, "audit_entry_not_found"),
    ]:
        answer = await api.call(key, "GET", path, **query)
        assert (answer[0], answer[1]["code"]) == (status, code), (path, query, answer)


async def test_another_tenant_sees_nothing_of_this_one(stores: Stores, tenant: UUID, api: Api) -> None:
    other = api.keys.give(await stores.new_tenant())
    batch = events(tenant, 3)
    await append(stores, tenant, batch)
    assert (await api.call(other, "GET", f"/v1/audit/entries/{batch[0].id}"))[0] == 404
    assert (await api.call(other, "GET", "/v1/audit/proofs/inclusion", entry_id=batch[0].id))[0] == 404
    assert (await api.call(other, "GET", "/v1/audit/entries"))[1]["data"] == []
    assert (await api.call(other, "GET", "/v1/audit/tree-head"))[1]["tree_size"] == 0
    assert (await api.call("nobody", "GET", "/v1/audit/entries"))[0] == 401
    assert (await api.call(api.keys.give(tenant, "fraud:read"), "GET", "/v1/audit/entries"))[0] == 403
    assert (await api.call(api.keys.give(tenant), "POST", "/v1/audit/erasures", {"subjects": ["a"]}))[0] == 403
    assert (await api.call(api.keys.give(None, "audit:read"), "GET", "/v1/audit/entries"))[0] == 403


async def test_the_service_s_own_role_cannot_change_the_log(stores: Stores, tenant: UUID) -> None:
    await append(stores, tenant, events(tenant, 2))
    for statement in (
        "UPDATE audit.entries SET actor = 'x'",
        "DELETE FROM audit.entries",
        "TRUNCATE audit.entries",
        "UPDATE audit.personal_values SET value = '1'",
        "UPDATE audit.tree_heads SET checkpoint = ''",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
            async with stores.databases("audit").transaction(tenant) as tx:
                await tx.execute(statement)  # type: ignore[arg-type]
        if "audit.tree_heads" not in statement:
            with pytest.raises(psycopg.errors.RestrictViolation):
                await stores.as_superuser(tenant, statement)
