"""Actions that contradict each other at the same moment, and keys that are used for more than one thing."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from bezant.client import ApiProblem, BezantClient

from ..stores.fixtures import eventually
from .conftest import TestTenant

ONLY_LARGE = {"code": "large", "action": "review", "score": 50, "expression": "amount > 10000.0"}


@pytest.fixture(scope="module", autouse=True)
async def no_velocity(tenant: TestTenant) -> Any:
    """Hundreds of payments of one account are what these tests are about, not a sign of fraud."""
    before = await tenant.client.get("/v1/fraud/rules")
    await tenant.client.put("/v1/fraud/rules", {"rules": [ONLY_LARGE]})
    yield
    await tenant.client.put("/v1/fraud/rules", {"rules": before["rules"]})


@pytest.fixture(scope="module")
async def payer(tenant: TestTenant, no_velocity: None) -> str:
    await tenant.open("payer")
    for _ in range(2):
        await tenant.pay("bank", "payer", 900_000)
    return "payer"


async def _attempt(client: BezantClient, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
    """Return (200, body) of whatever was done, or status and document of a problem."""
    try:
        return 200, await client.post(path, body, key=key)
    except ApiProblem as problem:
        assert problem.status < 500, problem
        return problem.status, problem.document


async def test_of_captures_voids_and_refunds_at_once_the_books_show_one_end(tenant: TestTenant, payer: str) -> None:
    for _ in range(12):
        before = (await tenant.balance(payer))[0]
        held = await tenant.pay(payer, "shop", 1000, capture="manual")
        path = f"/v1/payments/{held['id']}"
        wanted: list[tuple[str, Any]] = [
            ("capture", {"amount_minor": 600}), ("void", {}), ("capture", {}), ("refund", {"amount_minor": 300}),
            ("void", {}), ("refund", {}), ("capture", {"amount_minor": 1}), ("refund", {"amount_minor": 1}),
        ]  # fmt: skip
        answers = await asyncio.gather(*(_attempt(tenant.client, f"{path}/{action}", body) for action, body in wanted))
        ends = [answer for (action, _), (status, answer) in zip(wanted, answers, strict=True)
                if action != "refund" and status == 200]  # fmt: skip
        assert len(ends) == 1
        final = await tenant.client.get(path)
        refunds = [refund["amount"]["amount_minor"] for refund in (await tenant.client.get(f"{path}/refunds"))["data"]]
        assert final["captured"] == ends[0]["captured"]
        assert final["refunded"]["amount_minor"] == sum(refunds) <= final["captured"]["amount_minor"]
        kept = final["captured"]["amount_minor"] - sum(refunds)
        assert await tenant.balance(payer) == (before - kept, before - kept)
    assert (await tenant.client.get("/v1/ledger/check"))["consistent"]


async def test_what_comes_after_a_freeze_moves_nothing(tenant: TestTenant, payer: str) -> None:
    path = f"/v1/accounts/{tenant.accounts[payer]}"
    for _ in range(4):
        during, frozen = await asyncio.gather(
            asyncio.gather(*(tenant.pay(payer, "shop", 10) for _ in range(15))),
            tenant.client.post(f"{path}/freeze"),
        )
        assert frozen["status"] == "frozen"
        after = await tenant.pay(payer, "shop", 10)
        assert (after["status"], after["reason_code"]) == ("failed", "account_frozen")
        assert {payment["status"] for payment in during} <= {"captured", "failed"}
        await tenant.client.post(f"{path}/unfreeze")


async def test_an_account_with_holds_or_money_is_not_closed_and_a_closed_one_gets_nothing(tenant: TestTenant) -> None:
    account_id = await tenant.open("leaving")
    await tenant.pay("bank", "leaving", 100)
    held = await tenant.pay("leaving", "shop", 100, capture="manual")
    path = f"/v1/accounts/{account_id}"
    assert (await _attempt(tenant.client, f"{path}/close"))[1]["code"] == "account_has_holds"
    results = await asyncio.gather(
        _attempt(tenant.client, f"/v1/payments/{held['id']}/capture"),
        *(_attempt(tenant.client, f"{path}/close") for _ in range(3)),
    )
    assert results[0][0] == 200
    assert {body.get("code", body.get("status")) for _, body in results[1:]} <= {
        "account_has_holds", "account_changing", "closed",
    }  # fmt: skip

    async def closed() -> bool:
        return (await _attempt(tenant.client, f"{path}/close"))[1].get("status") == "closed"

    await eventually(closed)
    assert (await tenant.pay("bank", "leaving", 1))["reason_code"] == "account_closed"
    status, refund = await _attempt(tenant.client, f"/v1/payments/{held['id']}/refund")
    assert (status, refund["status"], refund["reason_code"]) == (200, "failed", "account_closed")


async def test_a_reviewed_payment_ends_once_whoever_decides_first(tenant: TestTenant) -> None:
    held = await tenant.pay("bank", "bob", 2_000_000)
    cases = [case async for case in tenant.client.pages("/v1/fraud/cases") if case["payment_id"] == held["id"]]
    decide = f"/v1/fraud/cases/{cases[0]['id']}/decision"
    answers = await asyncio.gather(
        _attempt(tenant.client, decide, {"decision": "approve"}),
        _attempt(tenant.client, decide, {"decision": "decline"}),
        _attempt(tenant.client, f"/v1/payments/{held['id']}/void"),
        _attempt(tenant.client, f"/v1/payments/{held['id']}/capture"),
    )
    assert sorted(status for status, _ in answers[:2]) == [200, 409]
    assert answers[3][1]["code"] == "payment_not_capturable"
    final: dict[str, Any] = {}

    async def ended() -> bool:
        final.update(await tenant.client.get(f"/v1/payments/{held['id']}"))
        return final["status"] != "requires_review"

    await eventually(ended)
    if answers[2][0] == 200:
        assert final["status"] == "voided"
    else:
        assert final["status"] == ("captured" if answers[0][0] == 200 else "declined")


class TestKeys:
    async def test_a_payments_key_is_no_other_requests_key(self, tenant: TestTenant, payer: str) -> None:
        key = str(uuid4())
        paid = await tenant.pay(payer, "shop", 100, key=key)
        refund, batch = f"/v1/payments/{paid['id']}/refund", "/v1/payments/batch"
        bodies: list[tuple[str, Any]] = [
            (refund, {"amount_minor": 1}), (f"/v1/payments/{paid['id']}/void", None),
            ("/v1/payments", tenant.order(payer, "shop", 101)), (batch, {"payments": [tenant.order(payer, "shop", 1)]}),
        ]  # fmt: skip
        for path, body in bodies:
            status, problem = await _attempt(tenant.client, path, body, key)
            assert (status, problem["code"]) == (422, "idempotency_key_reused"), path
        other = str(uuid4())
        await tenant.client.post(refund, {"amount_minor": 1}, key=other)
        for path, body in (("/v1/payments", tenant.order(payer, "shop", 100)), (refund, {"amount_minor": 2})):
            status, problem = await _attempt(tenant.client, path, body, other)
            assert (status, problem["code"]) == (422, "idempotency_key_reused"), path
        assert (await tenant.client.get(f"/v1/payments/{paid['id']}"))["refunded"]["amount_minor"] == 1

    async def test_of_different_requests_at_once_under_one_key_one_takes_effect(
        self, tenant: TestTenant, payer: str
    ) -> None:
        paid = await tenant.pay(payer, "shop", 100)
        for _ in range(6):
            key = str(uuid4())
            bodies: list[tuple[str, Any]] = [
                ("/v1/payments", tenant.order(payer, "shop", 7)), ("/v1/payments", tenant.order(payer, "shop", 8)),
                (f"/v1/payments/{paid['id']}/refund", {"amount_minor": 1}),
                ("/v1/payments/batch", {"payments": [tenant.order(payer, "shop", 9)]}),
            ]  # fmt: skip
            answers = await asyncio.gather(*(_attempt(tenant.client, *body, key) for body in bodies * 2))
            effects = {position % 4 for position, (status, _) in enumerate(answers) if status < 300}
            assert len(effects) == 1, answers
            refused = {answer["code"] for status, answer in answers if status >= 400}
            assert refused <= {"idempotency_key_reused", "request_in_progress"}

    async def test_a_refused_action_leaves_its_key_free(self, tenant: TestTenant, payer: str) -> None:
        key, paid = str(uuid4()), await tenant.pay(payer, "shop", 5)
        assert (await _attempt(tenant.client, f"/v1/payments/{paid['id']}/void", None, key))[0] == 409
        assert (await tenant.pay(payer, "shop", 5, key=key))["status"] == "captured"


class TestBatches:
    async def test_a_batch_again_gets_its_first_answer_and_another_under_its_key_nothing(
        self, tenant: TestTenant, payer: str
    ) -> None:
        key, path = str(uuid4()), "/v1/payments/batch"
        orders = [tenant.order(payer, "shop", 1) for _ in range(500)]
        before = (await tenant.balance(payer))[0]
        first = await tenant.client.post(path, {"payments": orders}, key=key)
        assert {result["payment"]["status"] for result in first["results"]} == {"captured"}
        assert await tenant.client.post(path, {"payments": orders}, key=key) == first
        assert (await tenant.client.get(f"/v1/idempotency/{key}"))["response_body"] == first
        for other in (orders[:3], [*orders[1:], tenant.order(payer, "shop", 2)]):
            status, problem = await _attempt(tenant.client, path, {"payments": other}, key)
            assert (status, problem["code"]) == (422, "idempotency_key_reused")
        assert (await tenant.balance(payer))[0] == before - 500
        assert (await _attempt(tenant.client, path, {"payments": [*orders, orders[0]]}))[0] == 400

    async def test_a_key_twice_in_a_batch_is_one_payment_and_the_other_is_refused(
        self, tenant: TestTenant, payer: str
    ) -> None:
        same, other = str(uuid4()), str(uuid4())
        orders = [tenant.order(payer, "shop", 1, idempotency_key=same) for _ in range(4)]
        orders += [tenant.order(payer, "shop", 2 + n, idempotency_key=other) for n in range(3)]
        results = (await tenant.client.post("/v1/payments/batch", {"payments": orders}))["results"]
        assert len({result["payment"]["id"] for result in results[:4]}) == 1
        assert sorted(result["status"] for result in results[4:]) == [201, 422, 422]

    async def test_an_item_of_a_batch_is_the_same_request_alone(self, tenant: TestTenant, payer: str) -> None:
        key = str(uuid4())
        order = tenant.order(payer, "shop", 3, metadata={"b": "1", "a": "2"})
        results = await tenant.client.post("/v1/payments/batch", {"payments": [{**order, "idempotency_key": key}]})
        assert await tenant.client.post("/v1/payments", order, key=key) == results["results"][0]["payment"]
        alone = str(uuid4())
        paid = await tenant.client.post("/v1/payments", order, key=alone)
        again = await tenant.client.post("/v1/payments/batch", {"payments": [{**order, "idempotency_key": alone}]})
        assert again["results"][0]["payment"] == paid

    async def test_a_large_batch_with_many_splits_goes_through(self, tenant: TestTenant, payer: str) -> None:
        fees = await asyncio.gather(*(tenant.open(f"fee-{n}", "fee") for n in range(20)))
        splits = [{"account_id": fee, "amount_minor": 1} for fee in fees]
        orders = [tenant.order(payer, "shop", 100, splits=splits) for _ in range(450)]
        results = (await tenant.client.post("/v1/payments/batch", {"payments": orders}))["results"]
        assert {result["payment"]["status"] for result in results} == {"captured"}
        for fee in fees:
            balance = await tenant.client.get(f"/v1/accounts/{fee}/balance")
            assert balance["posted"]["amount_minor"] == 450
        assert (await tenant.client.get("/v1/ledger/check"))["consistent"]


@pytest.mark.parametrize("seconds", [-1, 0, 30 * 86_400 + 1, 10**20, 1.5, True, "60", None])
async def test_holds_that_last_for_no_time_or_too_long_are_refused(tenant: TestTenant, seconds: Any) -> None:
    order = tenant.order("bank", "alice", 1, capture="manual", expires_in_seconds=seconds)
    status, problem = await _attempt(tenant.client, "/v1/payments", order)
    assert (status, problem["code"]) == (400, "invalid_request")


async def test_a_capture_at_the_moment_of_expiry_is_one_or_the_other(tenant: TestTenant, payer: str) -> None:
    before = (await tenant.balance(payer))[0]
    held = [await tenant.pay(payer, "shop", 10, capture="manual", expires_in_seconds=1) for _ in range(8)]
    paths = [f"/v1/payments/{payment['id']}" for payment in held]
    states: list[str] = []
    turn = 0

    async def all_ended() -> bool:
        nonlocal turn
        turn += 1
        if turn % 5 == 0:
            # one after the other, before the end, at it and after it
            await _attempt(tenant.client, f"{paths[turn // 5 % len(paths)]}/capture")
        states[:] = [payment["status"] for payment in await asyncio.gather(*map(tenant.client.get, paths))]
        return set(states) <= {"captured", "expired"}

    await eventually(all_ended, within_seconds=30)

    async def released() -> bool:
        left = before - 10 * states.count("captured")
        return await tenant.balance(payer) == (left, left)

    await eventually(released)
