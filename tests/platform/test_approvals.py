"""Reversals and limit raises that take two people, on the whole platform."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from bezant.client import ApiProblem, BezantClient
from bezant.local.platform import LocalPlatform

from ..stores.fixtures import eventually
from .conftest import TestTenant, make_tenant


@dataclass
class Careful:
    """A tenant that wants four eyes, and two people's keys."""

    tenant: TestTenant
    ana: BezantClient
    bob: BezantClient
    ana_key: str

    async def as_ana(self, method: str, path: str, body: Any, key: str | None = None) -> tuple[int, Any]:
        """Return (status, answer): what waits for somebody else is told apart by its status."""
        headers = {"authorization": f"Bearer {self.ana_key}", "idempotency-key": key or str(uuid4())}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.tenant.url + path, json=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json(content_type=None)

    async def outcome(self, approval_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        async def finished() -> bool:
            found.update(await self.ana.get(f"/v1/approvals/{approval_id}"))
            return found["status"] in ("executed", "failed")

        await eventually(finished, within_seconds=20)
        return found


@pytest.fixture(scope="module")
async def careful(platform: LocalPlatform, admin_key: str, admin: BezantClient) -> AsyncIterator[Careful]:
    tenant = await make_tenant(platform, admin_key)
    policies = {"four_eyes": {"reversals": True, "limit_raises": True}}
    await admin.put(f"/v1/tenants/{tenant.id}/policies", {"policies": policies})
    scopes = ["accounts:read", "accounts:write", "transfers:read", "ledger:write", "approvals:read", "approvals:write"]
    made = [
        await admin.post("/v1/api-keys", {"name": name, "scopes": scopes, "tenant_id": tenant.id})
        for name in ("ana", "bob")
    ]
    ana, bob = (BezantClient(platform.url, key["api_key"]) for key in made)

    careful = Careful(tenant, ana, bob, made[0]["api_key"])

    async def known_everywhere() -> bool:
        # Both replicas of the account service are asked, whichever the gateway takes first.
        path = f"/v1/accounts/{tenant.accounts['bob']}/limits"
        asked = [await careful.as_ana("PATCH", path, {"overdraft_limit_minor": 1}) for _ in range(4)]
        await careful.as_ana("PATCH", path, {"overdraft_limit_minor": 0})
        return all(status == 202 for status, _ in asked)

    await eventually(known_everywhere, within_seconds=30)
    yield careful
    for client in (ana, bob, tenant.client):
        await client.close()


async def test_a_reversal_waits_for_somebody_else_and_happens_once(careful: Careful) -> None:
    tenant = careful.tenant
    order = {
        "debit_account_id": tenant.accounts["bank"], "credit_account_id": tenant.accounts["alice"],
        "amount": {"amount_minor": 500, "currency": "USD"},
    }  # fmt: skip
    transfer = await careful.ana.post("/v1/transfers", order)
    path = f"/v1/transfers/{transfer['id']}/reverse"
    status, asked = await careful.as_ana("POST", path, {"reference": "wrong account"}, key="r1")
    assert (status, asked["status"], asked["action"]) == (202, "pending", "reverse_transfer")
    again = await careful.as_ana("POST", path, {"reference": "wrong account"}, key="r1")
    assert again == (202, asked)
    assert await tenant.balance("alice") == (500, 500)
    one = f"/v1/approvals/{asked['id']}"
    with pytest.raises(ApiProblem, match="four_eyes_needed"):
        await careful.ana.post(f"{one}/approve")
    approved = await careful.bob.post(f"{one}/approve", {"note": "agreed"})
    assert approved["status"] in ("approved", "executed")
    done = await careful.outcome(asked["id"])
    assert done["status"] == "executed", done
    assert await tenant.balance("alice") == (0, 0)
    reversal = await careful.bob.get(f"/v1/transfers/{done['outcome']['transfer_id']}")
    assert reversal["reference"] == "wrong account"
    # Asked for once more, approved once more: the ledger reverses a transfer once.
    second = await careful.bob.post(path, {"reference": "again"})
    await careful.ana.post(f"/v1/approvals/{second['id']}/approve")
    refused = await careful.outcome(second["id"])
    assert (refused["status"], "already" in refused["outcome"]["code"]) == ("failed", True), refused
    assert await tenant.balance("alice") == (0, 0)
    with pytest.raises(ApiProblem, match="not_found"):
        await careful.ana.post(f"/v1/transfers/{asked['id']}/reverse")


async def test_the_key_of_what_waits_for_approval_names_nothing_else(careful: Careful) -> None:
    tenant = careful.tenant
    order = {
        "debit_account_id": tenant.accounts["bank"], "credit_account_id": tenant.accounts["bob"],
        "amount": {"amount_minor": 5, "currency": "USD"},
    }  # fmt: skip
    transfer = await careful.ana.post("/v1/transfers", order, key="moved")
    path = f"/v1/transfers/{transfer['id']}/reverse"
    account = {"name": "x", "type": "customer", "currency": "USD"}
    status, asked = await careful.as_ana("POST", path, {}, key="asked")
    assert status == 202
    for other, body in (("/v1/accounts", account), ("/v1/transfers", order), (path, {"reference": "other"})):
        refused, problem = await careful.as_ana("POST", other, body, key="asked")
        assert (refused, problem["code"]) == (422, "idempotency_key_reused"), other
    assert (await careful.as_ana("POST", path, {}, key="asked")) == (202, asked)
    record = await careful.ana.idempotency.get("asked")
    assert (record["resource"], record["response_status"], record["resource_id"]) == ("transfers", 202, transfer["id"])
    await careful.ana.post("/v1/accounts", account, key="opened")
    for used in ("moved", "opened"):
        refused, problem = await careful.as_ana("POST", path, {}, key=used)
        assert (refused, problem["code"]) == (422, "idempotency_key_reused"), used


async def test_raising_limits_waits_and_lowering_them_does_not(careful: Careful) -> None:
    tenant = careful.tenant
    path = f"/v1/accounts/{tenant.accounts['alice']}"
    status, asked = await careful.as_ana("PATCH", f"{path}/limits", {"overdraft_limit_minor": 1_000})
    assert (status, asked["action"]) == (202, "raise_limits")
    assert (await careful.ana.get(path))["overdraft_limit_minor"] == 0
    await careful.bob.post(f"/v1/approvals/{asked['id']}/approve")
    assert (await careful.outcome(asked["id"]))["status"] == "executed"
    assert (await careful.ana.get(path))["overdraft_limit_minor"] == 1_000
    status, lowered = await careful.as_ana("PATCH", f"{path}/limits", {"overdraft_limit_minor": 400})
    assert (status, lowered["overdraft_limit_minor"]) == (200, 400)
    status, _ = await careful.as_ana("PATCH", f"{path}/limits", {"daily_limit_minor": 50})
    assert status == 200, "a first daily limit only narrows"
    status, lifted = await careful.as_ana("PATCH", f"{path}/limits", {"daily_limit_minor": None})
    assert status == 202
    # The account changes between the asking and the approving: what was approved was another account.
    await careful.as_ana("PATCH", f"{path}/limits", {"overdraft_limit_minor": 300})
    await careful.bob.post(f"/v1/approvals/{lifted['id']}/approve")
    failed = await careful.outcome(lifted["id"])
    assert (failed["status"], failed["outcome"]["code"]) == ("failed", "account_changed_since")
    assert (await careful.ana.get(path))["daily_limit_minor"] == 50
    body = {"name": "Eve", "type": "customer", "currency": "USD", "overdraft_limit_minor": 1}
    with pytest.raises(ApiProblem, match="approval_required"):
        await careful.ana.post("/v1/accounts", body)


async def test_the_audit_log_names_who_asked_and_who_approved(careful: Careful) -> None:
    decided = [approval async for approval in careful.bob.pages("/v1/approvals", status="executed")]
    assert decided

    async def logged() -> bool:
        entries = [entry async for entry in careful.tenant.client.pages("/v1/audit/entries")]
        found = [entry for entry in entries if "approval_approved" in str(entry)]
        return len(found) >= len(decided) and decided[0]["requested_by"] in str(found)

    await eventually(logged, within_seconds=20)
