"""Payments through the gateway: every flow, repeated keys, groups, reviews, expiry."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from bezant.client import ApiProblem, BezantClient

from ..stores.fixtures import eventually
from .conftest import TestTenant


async def _funded(tenant: TestTenant, ref: str, amount: int = 100_000) -> None:
    await tenant.open(ref)
    assert (await tenant.pay("bank", ref, amount))["status"] == "captured"


async def test_money_moves_and_comes_back(tenant: TestTenant) -> None:
    await _funded(tenant, "carol")
    shop_before, _ = await tenant.balance("shop")
    paid = await tenant.pay("carol", "shop", 1250, reference="order 1")
    assert (paid["status"], paid["captured"]["amount_minor"]) == ("captured", 1250)
    refund = await tenant.client.post(f"/v1/payments/{paid['id']}/refund", {"amount_minor": 250})
    assert (refund["status"], refund["payment"]["status"]) == ("succeeded", "partially_refunded")
    rest = await tenant.client.post(f"/v1/payments/{paid['id']}/refund")
    assert (rest["amount"]["amount_minor"], rest["payment"]["status"]) == (1000, "refunded")
    listed = await tenant.client.get(f"/v1/payments/{paid['id']}/refunds")
    assert [item["amount"]["amount_minor"] for item in listed["data"]] == [250, 1000]
    assert await tenant.balance("carol") == (100_000, 100_000)
    assert (await tenant.balance("shop"))[0] == shop_before


async def test_a_manual_capture_holds_then_takes_a_part_and_releases_the_rest(tenant: TestTenant) -> None:
    await _funded(tenant, "dora")
    held = await tenant.pay("dora", "shop", 8000, capture="manual")
    assert held["status"] == "authorized"
    assert await tenant.balance("dora") == (100_000, 92_000)
    done = await tenant.client.post(f"/v1/payments/{held['id']}/capture", {"amount_minor": 5000})
    assert (done["status"], done["captured"]["amount_minor"]) == ("captured", 5000)
    assert await tenant.balance("dora") == (95_000, 95_000)
    with pytest.raises(ApiProblem, match="payment_not_capturable"):
        await tenant.client.post(f"/v1/payments/{held['id']}/capture")


async def test_a_void_releases_the_hold(tenant: TestTenant) -> None:
    await _funded(tenant, "erin")
    held = await tenant.pay("erin", "shop", 8000, capture="manual")
    assert (await tenant.client.post(f"/v1/payments/{held['id']}/void"))["status"] == "voided"
    assert await tenant.balance("erin") == (100_000, 100_000)
    with pytest.raises(ApiProblem, match="payment_not_voidable"):
        await tenant.client.post(f"/v1/payments/{held['id']}/void")


async def test_splits_reach_every_account(tenant: TestTenant) -> None:
    await _funded(tenant, "finn")
    fee_id = await tenant.open("split-fee", "fee")
    partner_id, seller_id = (
        await tenant.open("split-partner", "merchant"),
        await tenant.open("split-seller", "merchant"),
    )
    splits = [{"account_id": fee_id, "amount_minor": 60}, {"account_id": partner_id, "amount_minor": 140}]
    paid = await tenant.pay("finn", seller_id, 1000, splits=splits)
    assert paid["status"] == "captured"
    for account_id, expected in ((fee_id, 60), (partner_id, 140), (seller_id, 800)):
        found = await tenant.client.get(f"/v1/accounts/{account_id}/balance")
        assert found["posted"]["amount_minor"] == expected


async def test_what_funds_and_limits_refuse_is_an_outcome(tenant: TestTenant) -> None:
    await tenant.open("poor")
    broke = await tenant.pay("poor", "shop", 1)
    assert (broke["status"], broke["reason_code"]) == ("failed", "insufficient_funds")
    await tenant.open("limited", daily_limit_minor=1000)
    await tenant.pay("bank", "limited", 5000)
    statuses = [
        (payment["status"], payment["reason_code"])
        for payment in await asyncio.gather(*(tenant.pay("limited", "shop", 400) for _ in range(5)))
    ]
    assert sorted(status for status, _ in statuses) == ["captured"] * 2 + ["failed"] * 3
    assert {reason for status, reason in statuses if status == "failed"} == {"daily_limit_exceeded"}


async def test_the_same_key_has_one_effect_and_one_answer(tenant: TestTenant) -> None:
    await _funded(tenant, "gwen")
    key = f"once-{uuid4()}"
    answers = await asyncio.gather(*(tenant.pay("gwen", "shop", 700, key=key) for _ in range(20)))
    assert len({answer["id"] for answer in answers}) == 1
    again = await tenant.pay("gwen", "shop", 700, key=key)
    assert again == await tenant.pay("gwen", "shop", 700, key=key)
    assert again["status"] == "captured"
    assert (await tenant.balance("gwen"))[0] == 100_000 - 700
    with pytest.raises(ApiProblem) as refused:
        await tenant.pay("gwen", "shop", 701, key=key)
    assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")
    record = await tenant.client.get(f"/v1/idempotency/{key}")
    assert (record["status"], record["resource_id"], record["response_status"]) == ("completed", again["id"], 201)


async def test_a_repeated_refund_pays_once(tenant: TestTenant) -> None:
    await _funded(tenant, "hana")
    paid = await tenant.pay("hana", "shop", 900)
    key = f"refund-{uuid4()}"
    path = f"/v1/payments/{paid['id']}/refund"
    done = await tenant.client.post(path, {"amount_minor": 400}, key=key)
    assert done == await tenant.client.post(path, {"amount_minor": 400}, key=key)
    assert (await tenant.balance("hana"))[0] == 100_000 - 900 + 400


async def test_concurrent_refunds_never_exceed_the_payment(tenant: TestTenant) -> None:
    await _funded(tenant, "ines")
    paid = await tenant.pay("ines", "shop", 1000)

    async def refund() -> str:
        try:
            return str((await tenant.client.post(f"/v1/payments/{paid['id']}/refund", {"amount_minor": 300}))["status"])
        except ApiProblem as problem:
            return problem.code

    results = await asyncio.gather(*(refund() for _ in range(8)))
    assert sorted(results) == ["amount_exceeds_refundable"] * 5 + ["succeeded"] * 3
    assert (await tenant.balance("ines"))[0] == 100_000 - 1000 + 900


async def test_one_bad_item_of_a_batch_fails_alone(tenant: TestTenant) -> None:
    await _funded(tenant, "jana")
    items = [
        tenant.order("jana", "shop", 100),
        tenant.order("jana", str(uuid4()), 100),
        tenant.order("jana", "shop", 100_000_000, context={"country": "BR"}),
        tenant.order("jana", "jana", 100),
        tenant.order("jana", "shop", 200),
    ]
    answer = await tenant.client.post("/v1/payments/batch", {"payments": items})
    got = [
        (result["status"], (result["payment"] or {}).get("status") or result["problem"]["code"])
        for result in answer["results"]
    ]
    assert got == [
        (201, "captured"), (404, "account_not_found"), (201, "declined"), (422, "same_account"), (201, "captured")
    ]  # fmt: skip
    assert (await tenant.balance("jana"))[0] == 100_000 - 300


@pytest.mark.parametrize(("decision", "status"), [("approve", "captured"), ("decline", "declined")])
async def test_a_review_holds_the_money_until_a_person_decides(tenant: TestTenant, decision: str, status: str) -> None:
    ref = f"reviewed-{decision}"
    await _funded(tenant, ref, 200_000)
    await tenant.pay("bank", ref, 200_000)
    held = await tenant.pay(ref, "shop", 300_000)
    assert held["status"] == "requires_review"
    assert await tenant.balance(ref) == (400_000, 100_000)
    case_id = None
    async for case in tenant.client.pages("/v1/fraud/cases"):
        if case["payment_id"] == held["id"]:
            case_id = case["id"]
    await tenant.client.post(f"/v1/fraud/cases/{case_id}/decision", {"decision": decision, "note": "looked"})
    await _until_status(tenant.client, held["id"], status)
    expected = 100_000 if decision == "approve" else 400_000
    assert await tenant.balance(ref) == (expected, expected)


async def _until_status(client: BezantClient, payment_id: str, status: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            payment: dict[str, Any] = await client.get(f"/v1/payments/{payment_id}")
            if payment["status"] == status:
                return payment
            await asyncio.sleep(0.05)


async def test_a_hold_expires_by_itself(tenant: TestTenant) -> None:
    await _funded(tenant, "kyle")
    held = await tenant.pay("kyle", "shop", 500, capture="manual", expires_in_seconds=2)
    assert held["status"] == "authorized"
    await _until_status(tenant.client, held["id"], "expired")

    async def released() -> bool:
        # the ledger writes the release by due work of its own
        return await tenant.balance("kyle") == (100_000, 100_000)

    await eventually(released)


async def test_concurrent_payments_from_one_account_never_overdraw_it(tenant: TestTenant) -> None:
    await _funded(tenant, "luis", 1000)
    results = await asyncio.gather(*(tenant.pay("luis", "shop", 70) for _ in range(40)))
    captured = [payment for payment in results if payment["status"] == "captured"]
    assert len(captured) == 14
    assert (await tenant.balance("luis"))[0] == 1000 - 14 * 70
    assert (await tenant.client.get("/v1/ledger/check"))["consistent"]


async def test_lists_page_without_skipping_or_repeating(tenant: TestTenant) -> None:
    await _funded(tenant, "mara")
    made = [(await tenant.pay("mara", "shop", 10 + n))["id"] for n in range(7)]
    seen = [
        payment["id"]
        async for payment in tenant.client.pages("/v1/payments", limit=3, account_id=tenant.accounts["mara"])
    ]
    assert [payment_id for payment_id in seen if payment_id in made] == made[::-1]
    assert len(seen) == len(set(seen))
