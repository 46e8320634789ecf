"""An Idempotency-Key names one request of the tenant, whatever it asked for, and can be looked up whatever it holds."""

import asyncio
import string
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from bezant.client import ApiProblem, BezantClient, BezantSyncClient
from bezant.local.platform import LocalPlatform

from .conftest import TestTenant, make_tenant

KEYS = [
    "b1/0", "a//b", "/", "//", "..", ".", "../..", "/../../v1/payments", "a/./b", "a%2Fb", "%2e%2e", "%", "%00", "a b",
    "a+b", "a?b", "a&key=b", "a=b", "a#b", "a;b", "a\\b", '"a"', "a,b", "{key}", "~", string.punctuation,
    "k" * 255, "/" * 255,
]  # fmt: skip


@pytest.fixture(scope="module")
async def tenant(platform: LocalPlatform, admin_key: str) -> AsyncIterator[TestTenant]:
    """A tenant of this module's own: so many payments would look like an attack among the others' tests."""
    made = await make_tenant(platform, admin_key)
    yield made
    await made.client.close()


@pytest.fixture
async def ledger(tenant: TestTenant) -> AsyncIterator[BezantClient]:
    """A client whose key may do everything that takes an Idempotency-Key."""
    scopes = ["accounts:read", "accounts:write", "payments:read", "payments:write", "transfers:read", "ledger:write"]
    made = await tenant.client.post("/v1/api-keys", {"name": "keys", "scopes": scopes})
    async with BezantClient(tenant.url, made["api_key"]) as client:
        yield client


def fresh(text: str) -> str:
    """A key like this that nobody has used."""
    marked = f"{uuid4().hex[:8]}{text}"
    return marked if len(text) < 200 else marked[:255]


@pytest.mark.parametrize("text", KEYS)
async def test_every_key_that_a_post_accepts_can_be_asked_for(tenant: TestTenant, text: str) -> None:
    for key in (text, fresh(text)):
        made = await tenant.pay("bank", "alice", 1, key=key)
        record = await tenant.client.idempotency.get(key)
        assert (record["key"], record["resource"], record["resource_id"]) == (key, "payments", made["id"])
        assert (record["response_status"], record["response_body"]) == (201, made)
        with BezantSyncClient(tenant.url, tenant.api_key) as client:
            assert (await asyncio.to_thread(client.idempotency.get, key)) == record


async def test_a_key_that_is_one_plain_segment_can_be_asked_for_by_its_path_too(tenant: TestTenant) -> None:
    key = f"order-{uuid4()} 1~2"
    await tenant.pay("bank", "alice", 1, key=key)
    by_query = await tenant.client.idempotency.get(key)
    assert await tenant.client.get(f"/v1/idempotency/{quote(key, safe='')}") == by_query
    assert await tenant.client.idempotency.find(key) == by_query


@pytest.mark.parametrize("length", [10, 255])
async def test_the_items_of_a_batch_can_be_asked_for_however_long_its_key_is(tenant: TestTenant, length: int) -> None:
    key = (uuid4().hex * 8)[:length]
    orders = [tenant.order("bank", "alice", 1 + number) for number in range(12)]
    made = await tenant.client.post("/v1/payments/batch", {"payments": orders}, key=key)
    whole = await tenant.client.idempotency.get(key)
    assert (whole["response_status"], whole["response_body"]) == (200, made)
    for position, result in enumerate(made["results"]):
        record = await tenant.client.idempotency.get(f"{key}/{position}")
        assert record["resource_id"] == result["payment"]["id"]
        assert record["response_body"] == result["payment"]
    with pytest.raises(ApiProblem) as unknown:
        await tenant.client.idempotency.get(f"{key}/12")
    assert unknown.value.status == 404


@pytest.mark.parametrize("key", ["", "k" * 260, "a\tb", "é", "a\x00b"])
async def test_what_is_no_key_cannot_be_asked_for(tenant: TestTenant, key: str) -> None:
    with pytest.raises(ApiProblem) as refused:
        await tenant.client.idempotency.get(key)
    assert refused.value.status == 400


def requests(tenant: TestTenant, transfer_id: str, payment_id: str) -> dict[str, tuple[str, Any]]:
    """Every kind of request that takes a key, each with a body that is refused for no other reason."""
    transfer = {
        "debit_account_id": tenant.accounts["bank"],
        "credit_account_id": tenant.accounts["alice"],
        "amount": {"amount_minor": 3, "currency": "USD"},
    }
    return {
        "account": ("/v1/accounts", {"name": "x", "type": "customer", "currency": "USD"}),
        "payment": ("/v1/payments", tenant.order("bank", "alice", 2)),
        "batch": ("/v1/payments/batch", {"payments": [tenant.order("bank", "alice", 2)]}),
        "refund": (f"/v1/payments/{payment_id}/refund", {"amount_minor": 1}),
        "transfer": ("/v1/transfers", transfer),
        "transfers": ("/v1/transfers/batch", {"transfers": [transfer], "atomic": False}),
        "reversal": (f"/v1/transfers/{transfer_id}/reverse", {}),
    }


async def counts(client: BezantClient) -> tuple[int, int, int]:
    """How many accounts, payments and transfers there are."""
    pages = [client.pages(f"/v1/{name}") for name in ("accounts", "payments", "transfers")]
    accounts, payments, transfers = [len([each async for each in page]) for page in pages]
    return accounts, payments, transfers


async def test_one_key_makes_one_thing_whatever_it_is_sent_to(tenant: TestTenant, ledger: BezantClient) -> None:
    paid = await tenant.pay("bank", "alice", 100)
    transfer = requests(tenant, "", "")["transfer"]
    moved = (await ledger.post(*transfer))["id"]
    offered = requests(tenant, moved, paid["id"])
    for first, (path, body) in offered.items():
        if first == "reversal":
            continue  # of the one transfer, at the end
        key = f"{first}-{uuid4()}"
        answer = await ledger.post(path, body, key=key)
        before = await counts(ledger)
        for second, (other, other_body) in offered.items():
            if second == first:
                continue
            with pytest.raises(ApiProblem) as refused:
                await ledger.post(other, other_body, key=key)
            assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused"), (first, second)
        assert await counts(ledger) == before, "nothing was made"
        assert await ledger.post(path, body, key=key) == answer, "the first request is answered as before"
        record = await ledger.idempotency.get(key)
        assert record["resource"] == path.split("/")[2]
        assert record["response_body"] == answer


async def test_of_one_key_sent_to_two_services_at_once_one_request_wins(
    tenant: TestTenant, ledger: BezantClient
) -> None:
    offered = requests(tenant, "", "")
    raced = [offered["account"], offered["payment"], offered["transfer"]]

    async def outcome(path: str, body: Any, key: str) -> str:
        try:
            await ledger.post(path, body, key=key)
        except ApiProblem as problem:
            return problem.code
        return path

    for _ in range(15):
        key = str(uuid4())
        outcomes = await asyncio.gather(*(outcome(path, body, key) for path, body in raced))
        won = [each for each in outcomes if each.startswith("/")]
        assert sorted(outcomes) == sorted([*won, "idempotency_key_reused", "idempotency_key_reused"])
        assert (await ledger.idempotency.get(key))["resource"] == won[0].split("/")[2]


async def test_a_used_key_in_a_group_of_payments_harms_none_of_the_others(
    tenant: TestTenant, ledger: BezantClient
) -> None:
    used = str(uuid4())
    await ledger.post(*requests(tenant, "", "")["account"], key=used)
    keys = [str(uuid4()) for _ in range(20)] + [used]
    paid = await asyncio.gather(*(tenant.pay("bank", "alice", 1, key=key) for key in keys), return_exceptions=True)
    *others, refused = paid
    assert [each for each in others if isinstance(each, BaseException)] == []
    assert len({each["id"] for each in others if isinstance(each, dict)}) == len(others)
    assert isinstance(refused, ApiProblem)
    assert refused.code == "idempotency_key_reused"


async def test_a_request_that_recorded_nothing_leaves_its_key_to_any_other(
    tenant: TestTenant, ledger: BezantClient
) -> None:
    key = str(uuid4())
    nowhere = tenant.order("bank", str(uuid4()), 2)
    for path, body in ((f"/v1/payments/{uuid4()}/capture", {}), ("/v1/payments", nowhere)):
        with pytest.raises(ApiProblem) as refused:
            await ledger.post(path, body, key=key)
        assert refused.value.status == 404
    await ledger.post(*requests(tenant, "", "")["account"], key=key)
    assert (await ledger.idempotency.get(key))["resource"] == "accounts"


async def test_what_a_key_made_is_shown_to_those_who_may_see_it(tenant: TestTenant, ledger: BezantClient) -> None:
    keys = {"accounts": str(uuid4()), "payments": str(uuid4()), "transfers": str(uuid4())}
    offered = requests(tenant, "", "")
    for name, request in (("accounts", "account"), ("payments", "payment"), ("transfers", "transfer")):
        await ledger.post(*offered[request], key=keys[name])
    for scope in ("accounts", "payments", "transfers"):
        made = await tenant.client.post("/v1/api-keys", {"name": scope, "scopes": [f"{scope}:read"]})
        async with BezantClient(tenant.url, made["api_key"]) as reader:
            for name, key in keys.items():
                if name == scope:
                    assert (await reader.idempotency.get(key))["resource"] == name
                else:
                    with pytest.raises(ApiProblem) as refused:
                        await reader.idempotency.get(key)
                    assert (refused.value.status, refused.value.code) == (403, "forbidden")
    made = await tenant.client.post("/v1/api-keys", {"name": "none", "scopes": ["webhooks:read"]})
    async with BezantClient(tenant.url, made["api_key"]) as stranger:
        with pytest.raises(ApiProblem) as refused:
            await stranger.idempotency.get(keys["payments"])
        assert refused.value.status == 403


async def test_keys_of_one_tenant_are_nothing_to_another(tenant: TestTenant, other_tenant: TestTenant) -> None:
    key = str(uuid4())
    await tenant.pay("bank", "alice", 1, key=key)
    with pytest.raises(ApiProblem) as unknown:
        await other_tenant.client.idempotency.get(key)
    assert unknown.value.status == 404
    await other_tenant.client.post("/v1/accounts", {"name": "x", "type": "customer", "currency": "USD"}, key=key)
