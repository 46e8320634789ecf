"""What the tenant's policy does while the fraud service is away, and what happens once it is back."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from bezant.client import BezantClient
from bezant.local.platform import LocalPlatform

from ..stores.fixtures import eventually
from .conftest import TestTenant


@dataclass
class Outage:
    """Payments that were made while the fraud service was stopped, and what was answered."""

    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    trace_id: str = ""
    request_id: str = ""


@pytest.fixture(scope="module")
async def outage(
    platform: LocalPlatform, tenant: TestTenant, other_tenant: TestTenant, admin: BezantClient
) -> AsyncIterator[Outage]:
    """The fraud service stops, payments are made, and it starts again."""
    policy = {"policies": {"fraud_unavailable": {"review_from_major": 1000}}}
    await admin.put(f"/v1/tenants/{other_tenant.id}/policies", policy)
    await tenant.open("zoe")
    await tenant.pay("bank", "zoe", 200_000)
    await asyncio.to_thread(platform.stop_process, "fraud-0")
    outage = Outage()
    try:

        async def noticed() -> bool:
            paid = await tenant.pay("bank", "zoe", 1)
            return not paid["risk"]["scored"]

        await eventually(noticed, within_seconds=60)
        made = outage.payments
        made["small"] = await tenant.pay("zoe", "shop", 9_999)
        for name in ("approved", "declined", "voided", "expired"):
            extra = {"expires_in_seconds": 3} if name == "expired" else {}
            made[name] = await tenant.pay("zoe", "shop", 10_000, **extra)
        made["manual"] = await tenant.pay("zoe", "shop", 10_000, capture="manual")
        made["other policy"] = await other_tenant.pay("bank", "alice", 99_999)
        made["other policy, above"] = await other_tenant.pay("bank", "alice", 100_000)
        outage.trace_id = uuid4().hex
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{tenant.url}/v1/payments",
                json=tenant.order("zoe", "shop", 5),
                headers={
                    "authorization": f"Bearer {tenant.api_key}", "idempotency-key": str(uuid4()),
                    "traceparent": f"00-{outage.trace_id}-{'1' * 16}-01",
                },
            ) as response,
        ):  # fmt: skip
            assert response.status == 201
            outage.request_id = response.headers["x-request-id"]
        voided = await tenant.client.post(f"/v1/payments/{made['voided']['id']}/void")
        assert voided["status"] == "voided"
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                f"{tenant.url}/v1/fraud/cases", headers={"authorization": f"Bearer {tenant.api_key}"}
            ) as response,
        ):
            assert (response.status, (await response.json(content_type=None))["code"]) == (503, "unavailable")
    finally:
        await asyncio.to_thread(platform.start_process, "fraud-0")
        await asyncio.to_thread(platform.wait_ready, "fraud-0")
    yield outage


async def _payment(tenant: TestTenant, payment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await tenant.client.get(f"/v1/payments/{payment['id']}")
    return found


async def _case_of(tenant: TestTenant, payment: dict[str, Any]) -> dict[str, Any]:
    """Return the case of a payment, once there is one."""
    found: list[dict[str, Any]] = []

    async def opened() -> bool:
        found[:] = [
            case async for case in tenant.client.pages("/v1/fraud/cases") if case["payment_id"] == payment["id"]
        ]
        return bool(found)

    await eventually(opened, within_seconds=60)
    return found[0]


async def test_below_the_floor_payments_are_approved_without_a_score(outage: Outage) -> None:
    small = outage.payments["small"]
    assert small["status"] == "captured"
    assert small["risk"] == {
        "decision": "approve", "score": None, "reasons": ["fraud_unavailable"], "scored": False,
    }  # fmt: skip


async def test_from_the_floor_on_payments_wait_for_review(outage: Outage) -> None:
    for name in ("approved", "declined", "voided", "manual"):
        held = outage.payments[name]
        assert held["status"] == "requires_review"
        assert (held["risk"]["decision"], held["risk"]["reasons"]) == ("review", ["fraud_unavailable"])


async def test_the_floor_is_the_tenants_own(outage: Outage) -> None:
    assert outage.payments["other policy"]["status"] == "captured"
    assert outage.payments["other policy, above"]["status"] == "requires_review"


async def test_what_was_approved_is_scored_once_the_service_is_back(outage: Outage, tenant: TestTenant) -> None:
    async def scored() -> bool:
        return bool((await _payment(tenant, outage.payments["small"]))["risk"]["scored"])

    await eventually(scored, within_seconds=60)
    small = await _payment(tenant, outage.payments["small"])
    assert (small["status"], small["risk"]["decision"]) == ("captured", "approve")
    assert isinstance(small["risk"]["score"], int)
    assert small["risk"]["reasons"][0] == "fraud_unavailable"

    async def announced() -> bool:
        page = await tenant.client.get("/v1/audit/entries", type="payment.rescored", subject=small["id"])
        return len(page["data"]) == 1

    await eventually(announced, within_seconds=60)


@pytest.mark.parametrize(
    ("name", "decision", "status"),
    [("approved", "approve", "captured"), ("declined", "decline", "declined"), ("manual", "approve", "authorized")],
)
async def test_what_was_held_gets_a_case_that_a_person_decides(
    outage: Outage, tenant: TestTenant, name: str, decision: str, status: str
) -> None:
    held = outage.payments[name]
    case = await _case_of(tenant, held)
    assert (case["status"], case["origin"]) == ("open", "fraud_unavailable")
    await tenant.client.post(f"/v1/fraud/cases/{case['id']}/decision", {"decision": decision, "note": "looked"})

    async def done() -> bool:
        return bool((await _payment(tenant, held))["status"] == status)

    await eventually(done, within_seconds=60)
    assert (await _payment(tenant, held))["risk"]["scored"]


async def test_what_was_voided_or_expired_meanwhile_stays_so(outage: Outage, tenant: TestTenant) -> None:
    async def expired() -> bool:
        return bool((await _payment(tenant, outage.payments["expired"]))["status"] == "expired")

    await eventually(expired, within_seconds=60)
    assert (await _payment(tenant, outage.payments["voided"]))["status"] == "voided"
    posted, available = await tenant.balance("zoe")
    assert posted >= available
    assert (await tenant.client.get("/v1/ledger/check"))["consistent"]


async def test_the_log_line_of_a_request_names_tenant_request_and_trace(
    outage: Outage, tenant: TestTenant, platform: LocalPlatform
) -> None:
    lines = [
        json.loads(line)
        for path in platform.directory.logs.glob("payment-*.log")
        for line in path.read_text().splitlines()
        if outage.trace_id in line
    ]
    assert lines
    for line in lines:
        assert (line["tenant_id"], line["trace_id"]) == (tenant.id, outage.trace_id)
        assert line["request_id"] == outage.request_id
        assert line["service"] == "payment"
        assert line["instance"].startswith("payment-")
