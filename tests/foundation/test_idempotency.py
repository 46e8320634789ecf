"""Idempotency keys: claimed once, answered for ever (seven days), refused for another request."""

import asyncio
import json
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import IdempotencyKeyMissing, IdempotencyKeyReused, InvalidRequest
from bezant.foundation.idempotency import (
    StoredAnswer,
    checked_key,
    claim_key,
    fingerprint,
    prune_keys,
    store_answer,
)

from ..stores.fixtures import Stores, eventually

MARK = fingerprint("POST", "/v1/things", b"{}")


async def _claim(stores: Stores, tenant: UUID, key: str, resource: UUID, mark: bytes = MARK) -> StoredAnswer | None:
    async with stores.databases("payment").transaction(tenant) as tx:
        known = await claim_key(tx.connection, "payment", key=key, request_fingerprint=mark, resource_id=resource)
        if known is None:
            await store_answer(tx.connection, "payment", key=key, status=201, body=f'{{"id": "{resource}"}}')
        return known


async def test_the_first_claim_is_ours_and_a_repetition_gets_the_answer(stores: Stores, tenant: UUID) -> None:
    first, second = new_id(), new_id()
    assert await _claim(stores, tenant, "k", first) is None
    assert await _claim(stores, tenant, "k", second) == StoredAnswer(first, 201, f'{{"id": "{first}"}}')


async def test_a_key_belongs_to_its_first_request(stores: Stores, tenant: UUID) -> None:
    await _claim(stores, tenant, "k", new_id())
    for mark in (fingerprint("POST", "/v1/things", b'{"a":1}'), fingerprint("POST", "/v1/others", b"{}"),
                 fingerprint("PUT", "/v1/things", b"{}")):  # fmt: skip
        with pytest.raises(IdempotencyKeyReused):
            await _claim(stores, tenant, "k", new_id(), mark)


async def test_of_many_claims_at_once_one_wins_and_the_others_wait_for_its_answer(stores: Stores, tenant: UUID) -> None:
    ids = [new_id() for _ in range(12)]
    known = await asyncio.gather(*(_claim(stores, tenant, "k", resource) for resource in ids))
    winners = [resource for resource, answer in zip(ids, known, strict=True) if answer is None]
    assert len(winners) == 1
    assert {answer for answer in known if answer is not None} == {
        StoredAnswer(winners[0], 201, f'{{"id": "{winners[0]}"}}')
    }


async def test_a_claim_that_is_rolled_back_leaves_the_key_free(stores: Stores, tenant: UUID) -> None:
    claimed, waiting = asyncio.Event(), asyncio.Event()

    async def fails() -> None:
        async with stores.databases("payment").transaction(tenant) as tx:
            await claim_key(tx.connection, "payment", key="k", request_fingerprint=MARK, resource_id=new_id())
            claimed.set()
            await waiting.wait()
            raise ConnectionResetError

    failing = asyncio.create_task(fails())
    await claimed.wait()
    follower = asyncio.create_task(_claim(stores, tenant, "k", new_id()))

    async def blocked() -> bool:
        return bool(await stores.as_superuser(tenant, "SELECT 1 FROM pg_locks WHERE NOT granted"))

    await eventually(blocked)
    assert not follower.done(), "it waits for the first claim's transaction"
    waiting.set()
    with pytest.raises(ConnectionResetError):
        await failing
    assert await follower is None


async def test_keys_are_a_tenants_own(stores: Stores, tenant: UUID) -> None:
    other = await stores.new_tenant()
    assert await _claim(stores, tenant, "k", new_id()) is None
    assert await _claim(stores, other, "k", new_id()) is None


async def test_records_are_kept_for_seven_days(stores: Stores, tenant: UUID) -> None:
    for key, days in (("old", 8), ("young", 6)):
        await _claim(stores, tenant, key, new_id())
        await stores.as_superuser(
            tenant, "UPDATE payment.idempotency SET created_at = now() - make_interval(days => %s) WHERE key = %s",
            days, key,
        )  # fmt: skip
    async with stores.databases("payment").transaction(tenant) as tx:
        await prune_keys(tx.connection, "payment")
    assert await stores.as_superuser(tenant, "SELECT key FROM payment.idempotency") == [("young",)]


async def test_answers_of_our_own_failures_cannot_be_stored(stores: Stores, tenant: UUID) -> None:
    import psycopg

    with pytest.raises(psycopg.errors.CheckViolation):
        async with stores.databases("payment").transaction(tenant) as tx:
            await claim_key(tx.connection, "payment", key="k", request_fingerprint=MARK, resource_id=new_id())
            await store_answer(tx.connection, "payment", key="k", status=503, body="{}")


@pytest.mark.parametrize("key", ["a", "~" * 255, "with space", '{"x": 1}', "a/b?c=d"])
def test_keys_that_are_accepted(key: str) -> None:
    assert checked_key(key) == key


@pytest.mark.parametrize("key", ["x" * 256, "tab\t", "new\nline", "nul\x00", "é", "日本", "\x7f"])
def test_keys_that_are_refused(key: str) -> None:
    with pytest.raises(InvalidRequest):
        checked_key(key)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_says_what_to_send(key: str | None) -> None:
    with pytest.raises(IdempotencyKeyMissing, match="Idempotency-Key"):
        checked_key(key)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_white_space_and_the_order_of_keys_do_not_make_another_request(value: object) -> None:
    spread = json.dumps(value, indent=3, sort_keys=True).encode()
    tight = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    assert fingerprint("POST", "/x", spread) == fingerprint("POST", "/x", tight)


@given(_JSON, _JSON)
def test_other_content_is_another_request(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    marks = [fingerprint("POST", "/x", json.dumps(value).encode()) for value in (one, other)]
    assert (marks[0] == marks[1]) == same


def test_a_body_that_is_no_json_has_a_fingerprint_too() -> None:
    bodies = [b"", b"{", b"NaN", b'{"a": NaN}', b"[" * 100_000, b"\xff", b'"' + b"9" * 10_000 + b'"', b"9" * 10_000]
    assert len({fingerprint("POST", "/x", body) for body in bodies}) == len(bodies)


async def _claim_as(stores: Stores, tenant: UUID, schema: str, key: str, mark: bytes = MARK) -> StoredAnswer | None:
    async with stores.databases({"ledger": "transaction"}.get(schema, schema)).transaction(tenant) as tx:
        return await claim_key(tx.connection, schema, key=key, request_fingerprint=mark, resource_id=new_id())


async def test_a_key_of_one_service_is_refused_by_the_others(stores: Stores, tenant: UUID) -> None:
    assert await _claim_as(stores, tenant, "account", "k") is None
    with pytest.raises(IdempotencyKeyReused):
        await _claim_as(stores, tenant, "payment", "k")
    assert await _claim_as(stores, tenant, "account", "k") is not None, "its own request may be repeated"
    assert await stores.as_superuser(tenant, "SELECT count(*) FROM payment.idempotency") == [(0,)]


async def test_a_key_whose_claim_is_rolled_back_is_free_for_another_service(stores: Stores, tenant: UUID) -> None:
    with pytest.raises(RuntimeError, match="undone"):
        async with stores.databases("account").transaction(tenant) as tx:
            await claim_key(tx.connection, "account", key="k", request_fingerprint=MARK, resource_id=new_id())
            raise RuntimeError("undone")
    assert await _claim_as(stores, tenant, "payment", "k") is None


async def test_of_two_services_that_claim_a_key_at_once_one_has_it(stores: Stores, tenant: UUID) -> None:
    for number in range(20):
        claims = await asyncio.gather(
            *(_claim_as(stores, tenant, schema, f"k{number}") for schema in ("account", "payment")),
            return_exceptions=True,
        )
        won = [each for each in claims if each is None]
        refused = [each for each in claims if isinstance(each, IdempotencyKeyReused)]
        assert (len(won), len(refused)) == (1, 1), claims


async def test_a_key_is_free_for_every_service_after_its_retention(stores: Stores, tenant: UUID) -> None:
    await _claim_as(stores, tenant, "account", "old")
    await stores.as_superuser(tenant, "UPDATE account.idempotency SET created_at = now() - interval '8 days'")
    async with stores.databases("account").transaction(tenant) as tx:
        await prune_keys(tx.connection, "account")
    assert await stores.as_superuser(tenant, "SELECT * FROM idempotency.keys") == []
    assert await _claim_as(stores, tenant, "payment", "old") is None


async def test_a_key_that_another_version_forgot_may_be_used_by_its_service_again(stores: Stores, tenant: UUID) -> None:
    """An older version prunes its records and does not know the list of keys."""
    await _claim_as(stores, tenant, "account", "k")
    await stores.as_superuser(tenant, "DELETE FROM account.idempotency")
    assert await _claim_as(stores, tenant, "account", "k", fingerprint("POST", "/v1/others", b"{}")) is None


async def test_services_see_no_record_of_another_but_one_key_at_a_time(stores: Stores, tenant: UUID) -> None:
    await _claim_as(stores, tenant, "account", "k")
    record = "SELECT owner FROM idempotency.record_of('k')"
    async with stores.databases("payment").transaction(tenant) as tx:
        assert await tx.fetch_all(record) == [("account",)]
    for service, statement in (("payment", "SELECT * FROM account.idempotency"), ("account", record)):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with stores.databases(service).transaction(tenant) as tx:
                await tx.fetch_all(statement)
