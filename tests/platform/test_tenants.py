"""A tenant's life through the gateway: registration, suspension, rotation, closing, and its keys."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp
import psycopg
import pytest

from bezant.client import ApiProblem, BezantClient
from bezant.foundation.identity.api_keys import DEFAULT_SCOPES
from bezant.foundation.secrets import SecretStore, open_secret_store, platform_secret_name
from bezant.foundation.settings import Settings
from bezant.local.administration import settings_of
from bezant.local.platform import LocalPlatform

from ..stores.fixtures import eventually
from .conftest import TestTenant, make_tenant

STEPS = [
    "provision_database", "run_migrations", "create_roles", "store_credentials", "publish_event", "await_fleet",
    "activate",
]  # fmt: skip


@pytest.fixture(scope="module")
def settings(platform: LocalPlatform) -> Settings:
    return settings_of(platform.directory.root)


@pytest.fixture(scope="module")
def secrets(settings: Settings) -> SecretStore:
    return open_secret_store(settings)


@pytest.fixture(scope="module")
async def fresh(platform: LocalPlatform, admin_key: str) -> AsyncIterator[TestTenant]:
    """A tenant that each test leaves active and working, as it was; the last one closes it."""
    made = await make_tenant(platform, admin_key)
    yield made
    await made.client.close()


async def _refused(call: Awaitable[Any]) -> tuple[int, str]:
    """Return status and code of the problem that the call gets."""
    with pytest.raises(ApiProblem) as problem:
        await call
    return problem.value.status, problem.value.code


async def _finished(admin: BezantClient, tenant_id: str, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            state: dict[str, Any] = await admin.get(f"/v1/tenants/{tenant_id}/operations/{kind}")
            if state["finished_at"] is not None:
                return state
            await asyncio.sleep(0.05)


async def _roles_and_databases(settings: Settings, secrets: SecretStore, tenant_id: str) -> list[str]:
    credential = await secrets.read(platform_secret_name("provisioner"))
    async with await psycopg.AsyncConnection.connect(
        host=settings.control_database_host, port=settings.control_database_port, dbname="postgres", **credential
    ) as connection:
        cursor = await connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE %(like)s "
            "UNION SELECT datname FROM pg_database WHERE datname LIKE %(like)s",
            {"like": f"%{tenant_id.replace('-', '')}%"},
        )
        return [row[0] for row in await cursor.fetchall()]


def _registration(**changes: Any) -> dict[str, Any]:
    slug = f"r-{uuid4().hex[:12]}"
    return {"name": slug, "slug": slug, **changes}


class TestRegistration:
    async def test_the_same_request_twice_is_one_tenant_and_shows_its_key_once(self, admin: BezantClient) -> None:
        body, key = _registration(), str(uuid4())
        first = await admin.post("/v1/tenants", body, key=key)
        again = await admin.post("/v1/tenants", body, key=key)
        assert (again["id"], again["slug"]) == (first["id"], body["slug"])
        assert first["api_key"].startswith("bz_")
        assert again["api_key"] is None
        assert (await _finished(admin, first["id"], "onboarding"))["status"] == "succeeded"
        assert (await admin.post("/v1/tenants", body, key=key))["status"] == "active"

    async def test_the_same_request_many_times_at_once_is_one_tenant(self, admin: BezantClient) -> None:
        body, key = _registration(), str(uuid4())
        answers = await asyncio.gather(*(admin.post("/v1/tenants", body, key=key) for _ in range(8)))
        assert len({answer["id"] for answer in answers}) == 1
        assert sum(answer["api_key"] is not None for answer in answers) == 1
        assert (await _finished(admin, answers[0]["id"], "onboarding"))["status"] == "succeeded"

    async def test_a_slug_has_one_tenant_also_when_asked_for_at_once(self, admin: BezantClient) -> None:
        body = _registration()
        results = await asyncio.gather(
            *(admin.post("/v1/tenants", {**body, "name": str(n)}) for n in range(5)), return_exceptions=True
        )
        made = [result for result in results if isinstance(result, dict)]
        refused = [(result.status, result.code) for result in results if isinstance(result, ApiProblem)]
        assert len(made) == 1
        assert refused == [(409, "slug_taken")] * 4
        assert (await _finished(admin, made[0]["id"], "onboarding"))["status"] == "succeeded"

    async def test_a_key_belongs_to_one_registration(self, admin: BezantClient) -> None:
        body, key = _registration(), str(uuid4())
        made = await admin.post("/v1/tenants", body, key=key)
        other = admin.post("/v1/tenants", {**body, "name": "another"}, key=key)
        assert await _refused(other) == (422, "idempotency_key_reused")
        await _finished(admin, made["id"], "onboarding")

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            *(({"slug": slug}, 400, "invalid_request") for slug in (
                "", "a", "ab", "-abc", "abc-", "Abc", "a b", "a_b", "abc\n", "é" * 5, "a" * 41, "../etc", None, 7,
            )),
            ({"default_currency": "XXX"}, 400, "invalid_request"),
            ({"default_currency": "usd"}, 400, "invalid_request"),
            ({"tier": "gold"}, 400, "invalid_request"), ({"tier": "dedicated"}, 422, "tier_not_offered"),
            ({"name": ""}, 400, "invalid_request"), ({"name": "a\x00b"}, 400, "invalid_request"),
            ({"name": "x" * 201}, 400, "invalid_request"), ({"name": "4111111111111111"}, 400, "card_number_refused"),
            ({"rate_limit_per_second": 0}, 400, "invalid_request"), ({"unknown": 1}, 400, "invalid_request"),
            ({"policies": {"fraud_unavailable": {"review_from_major": -1}}}, 400, "invalid_request"),
        ],
    )  # fmt: skip
    async def test_what_makes_no_tenant_is_refused(
        self, admin: BezantClient, change: dict[str, Any], status: int, code: str
    ) -> None:
        assert await _refused(admin.post("/v1/tenants", _registration() | change)) == (status, code)

    async def test_every_step_of_the_onboarding_is_shown(self, admin: BezantClient, tenant: TestTenant) -> None:
        state = await admin.get(f"/v1/tenants/{tenant.id}/onboarding")
        assert [step["name"] for step in state["steps"]] == STEPS
        assert {step["status"] for step in state["steps"]} == {"done"}
        assert state["duration_ms"] > 0
        assert state["steps"] == sorted(state["steps"], key=lambda step: step["started_at"])
        for path in (f"/v1/tenants/{uuid4()}/onboarding", f"/v1/tenants/{tenant.id}/operations/rotation"):
            assert await _refused(admin.get(path)) == (404, "not_found")

    async def test_tenants_are_listed_page_by_page(self, admin: BezantClient, tenant: TestTenant) -> None:
        listed = [item["id"] async for item in admin.pages("/v1/tenants", limit=2)]
        assert listed == sorted(set(listed))
        assert tenant.id in listed
        active = [item async for item in admin.pages("/v1/tenants", status="active")]
        assert {item["status"] for item in active} == {"active"}

    async def test_a_tenants_key_cannot_touch_tenants(self, tenant: TestTenant, other_tenant: TestTenant) -> None:
        for path in ("/v1/tenants", f"/v1/tenants/{tenant.id}", f"/v1/tenants/{other_tenant.id}/onboarding"):
            assert await _refused(tenant.client.get(path)) == (403, "forbidden")
        for action in ("suspend", "resume", "rotate-credentials"):
            call = tenant.client.post(f"/v1/tenants/{other_tenant.id}/{action}")
            assert await _refused(call) == (403, "forbidden")


class TestSuspension:
    async def test_a_suspended_tenant_is_read_and_not_changed(self, admin: BezantClient, fresh: TestTenant) -> None:
        paid = await fresh.pay("bank", "alice", 500)
        for _ in range(2):
            assert (await admin.post(f"/v1/tenants/{fresh.id}/suspend"))["status"] == "suspended"

        async def refused_by_every_replica() -> bool:
            for _ in range(6):
                try:
                    await fresh.pay("bank", "alice", 1)
                except ApiProblem as problem:
                    assert (problem.status, problem.code) == (403, "tenant_not_active")
                else:
                    return False
            return True

        await eventually(refused_by_every_replica, within_seconds=30)
        writes: list[tuple[str, Any]] = [
            ("/v1/accounts", {"name": "x", "type": "customer", "currency": "USD"}),
            (f"/v1/payments/{paid['id']}/refund", {}), (f"/v1/accounts/{fresh.accounts['alice']}/freeze", None),
            ("/v1/webhook-endpoints", {"url": "http://127.0.0.1:9/x"}),
            ("/v1/api-keys", {"name": "x", "scopes": ["x"]}),
        ]  # fmt: skip

        async def refused_at(path: str, body: Any) -> bool:
            # each service hears of it by itself
            try:
                await fresh.client.post(path, body)
            except ApiProblem as problem:
                return (problem.status, problem.code) == (403, "tenant_not_active")
            return False

        for path, body in writes:
            await eventually(partial(refused_at, path, body), within_seconds=30)
        assert (await fresh.client.get(f"/v1/payments/{paid['id']}"))["status"] == "captured"
        assert (await fresh.client.get("/v1/ledger/check"))["consistent"]
        before = await fresh.balance("alice")

        for _ in range(2):
            assert (await admin.post(f"/v1/tenants/{fresh.id}/resume"))["status"] == "active"

        async def accepted() -> bool:
            try:
                await fresh.pay("bank", "alice", 7, key="after-resume")
            except ApiProblem as problem:
                assert problem.code == "tenant_not_active"
                return False
            return True

        await eventually(accepted, within_seconds=30)
        assert (await fresh.balance("alice"))[0] == before[0] + 7

    async def test_what_cannot_be_suspended_or_resumed_says_so(self, admin: BezantClient) -> None:
        for action in ("suspend", "resume", "rotate-credentials"):
            assert await _refused(admin.post(f"/v1/tenants/{uuid4()}/{action}")) == (404, "not_found")


class TestRotation:
    async def test_credentials_rotate_while_payments_run_and_none_fails(
        self, admin: BezantClient, fresh: TestTenant, settings: Settings, secrets: SecretStore
    ) -> None:
        name = f"bezant/tenants/{fresh.id}/payment"
        # One account pays as often as it can: that is no burst here.
        await fresh.client.put("/v1/fraud/rules", {"thresholds": {"burst_count_1m": 1e9, "burst_count_1h": 1e9}})
        stop, statuses = asyncio.Event(), []
        balance_before = (await fresh.balance("alice"))[0]
        before = await secrets.read(name)

        async def pays(session: aiohttp.ClientSession) -> None:
            # not through the client, which would try again
            while not stop.is_set():
                async with session.post(
                    f"{fresh.url}/v1/payments",
                    json=fresh.order("bank", "alice", 1),
                    headers={"authorization": f"Bearer {fresh.api_key}", "idempotency-key": str(uuid4())},
                ) as response:
                    statuses.append((response.status, (await response.json(content_type=None)).get("status")))

        async with aiohttp.ClientSession() as session:
            payers = [asyncio.create_task(pays(session)) for _ in range(4)]
            # each service has two roles, which take turns
            for slot in ("b", "a"):
                await admin.post(f"/v1/tenants/{fresh.id}/rotate-credentials")
                state = await _finished(admin, fresh.id, "rotation")
                assert state["status"] == "succeeded", state
                assert (await secrets.read(name))[f"tenant_{fresh.id}_db_user"].endswith(f"_{slot}")
            reached = len(statuses)

            async def some_more() -> bool:
                return len(statuses) > reached + 20

            await eventually(some_more, within_seconds=30)
            stop.set()
            await asyncio.gather(*payers)
        assert set(statuses) == {(201, "captured")}
        assert (await fresh.balance("alice"))[0] == balance_before + len(statuses)
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(
                host=settings.control_database_host, port=settings.control_database_port,
                dbname=f"bz_{fresh.id.replace('-', '')}", user=before[f"tenant_{fresh.id}_db_user"],
                password=before[f"tenant_{fresh.id}_db_password"],
            )  # fmt: skip

    async def test_a_request_repeated_under_its_key_is_one_rotation(
        self, admin: BezantClient, fresh: TestTenant, other_tenant: TestTenant
    ) -> None:
        key, path = str(uuid4()), f"/v1/tenants/{fresh.id}/rotate-credentials"
        begun = await asyncio.gather(*(admin.post(path, key=key) for _ in range(5)))
        assert (await _finished(admin, fresh.id, "rotation"))["status"] == "succeeded"
        begun.append(await admin.post(path, key=key))
        assert {operation["id"] for operation in begun} == {begun[0]["id"]}
        assert begun[-1]["status"] == "succeeded"
        other = admin.post(f"/v1/tenants/{other_tenant.id}/rotate-credentials", key=key)
        assert await _refused(other) == (422, "idempotency_key_reused")
        assert (await admin.post(path))["id"] != begun[0]["id"]
        assert (await _finished(admin, fresh.id, "rotation"))["status"] == "succeeded"


class TestPolicies:
    async def test_policies_and_the_rate_limit_are_replaced(self, admin: BezantClient, fresh: TestTenant) -> None:
        path, policies = f"/v1/tenants/{fresh.id}/policies", {"fraud_unavailable": {"review_from_major": 7}}
        changed = await admin.put(path, {"policies": policies, "rate_limit_per_second": 1})
        nobody_else = {"reversals": False, "limit_raises": False, "people_only": False}
        assert changed["policies"] == policies | {"four_eyes": nobody_else}
        assert changed["rate_limit_per_second"] == 1
        statuses: set[int] = set()

        async def limited() -> bool:
            async with (
                aiohttp.ClientSession() as session,
                session.get(
                    f"{fresh.url}/v1/accounts", headers={"authorization": f"Bearer {fresh.api_key}"}
                ) as response,
            ):
                statuses.add(response.status)
                if response.status == 429:
                    assert int(response.headers["retry-after"]) >= 1
                    assert (await response.json(content_type=None))["code"] == "rate_limited"
                return response.status == 429

        await eventually(limited, within_seconds=30)
        assert statuses <= {200, 429}
        kept = await admin.put(path, {"policies": {}})
        assert (kept["rate_limit_per_second"], kept["policies"]["fraud_unavailable"]["review_from_major"]) == (1, 100)
        await admin.put(path, {"policies": {}, "rate_limit_per_second": 5000})

    @pytest.mark.parametrize(
        "body", [{}, {"policies": {"x": 1}}, {"policies": {}, "rate_limit_per_second": 0}, {"policies": None}]
    )
    async def test_policies_that_are_none_are_refused(self, admin: BezantClient, tenant: TestTenant, body: Any) -> None:
        assert await _refused(admin.put(f"/v1/tenants/{tenant.id}/policies", body)) == (400, "invalid_request")


class TestClosing:
    async def test_a_tenant_with_money_or_holds_or_at_work_is_not_closed(
        self, admin: BezantClient, fresh: TestTenant
    ) -> None:
        async def close() -> tuple[int, str]:
            return await _refused(admin.delete(f"/v1/tenants/{fresh.id}"))

        assert await close() == (409, "conflict"), "suspend it first"
        await fresh.pay("bank", "alice", 500)
        held = await fresh.pay("alice", "bank", 500, capture="manual")
        await admin.post(f"/v1/tenants/{fresh.id}/suspend")
        assert await close() == (409, "tenant_in_use")
        await admin.post(f"/v1/tenants/{fresh.id}/resume")

        async def captured() -> bool:
            try:
                await fresh.client.post(f"/v1/payments/{held['id']}/void", key="void-it")
            except ApiProblem as problem:
                assert problem.code == "tenant_not_active"
                return False
            return True

        await eventually(captured, within_seconds=30)
        await admin.post(f"/v1/tenants/{fresh.id}/suspend")
        assert await close() == (409, "tenant_in_use"), "a customer has a balance"
        await admin.post(f"/v1/tenants/{fresh.id}/resume")
        assert await _refused(admin.delete(f"/v1/tenants/{uuid4()}")) == (404, "not_found")

    async def test_closing_an_empty_tenant_leaves_no_database_role_or_secret(
        self, admin: BezantClient, fresh: TestTenant, settings: Settings, secrets: SecretStore
    ) -> None:
        async def emptied() -> bool:
            try:
                await fresh.pay("alice", "bank", (await fresh.balance("alice"))[0], key="empty-it")
            except ApiProblem as problem:
                assert problem.code == "tenant_not_active"
                return False
            return True

        await eventually(emptied, within_seconds=30)
        there = await _roles_and_databases(settings, secrets, fresh.id)
        assert len(there) in (7, 13), "a database, and one or two roles for each of six services"
        assert len(await secrets.names(f"bezant/tenants/{fresh.id}/")) == 6
        await admin.post(f"/v1/tenants/{fresh.id}/suspend")
        await admin.delete(f"/v1/tenants/{fresh.id}")
        state = await _finished(admin, fresh.id, "offboarding")
        assert state["status"] == "succeeded", state
        assert await _roles_and_databases(settings, secrets, fresh.id) == []
        assert await secrets.names(f"bezant/tenants/{fresh.id}/") == []
        assert (await admin.get(f"/v1/tenants/{fresh.id}"))["status"] == "closed"
        export = await admin.get(f"/v1/tenants/{fresh.id}/export")
        files = {file["name"]: file for file in export["files"]}
        content = await admin.download("GET", f"/v1/tenants/{fresh.id}/export/files/payment.payments.jsonl.gz")
        assert hashlib.sha256(content).hexdigest() == files["payment.payments.jsonl.gz"]["sha256"]
        payments = [json.loads(line) for line in gzip.decompress(content).splitlines()]
        assert len(payments) == files["payment.payments.jsonl.gz"]["rows"] >= 3
        assert files["ledger.entries.jsonl.gz"]["rows"] >= 4
        missing = admin.get(f"/v1/tenants/{fresh.id}/export/files/payment.x.jsonl.gz")
        assert await _refused(missing) == (404, "export_not_found")

        async def refused() -> bool:
            return await _refused(fresh.client.get("/v1/accounts")) == (403, "tenant_not_active")

        await eventually(refused, within_seconds=30)
        assert await _refused(admin.post(f"/v1/tenants/{fresh.id}/resume")) == (409, "conflict")
        credential = await secrets.read("bezant/platform/control/tenant")
        async with await psycopg.AsyncConnection.connect(
            host=settings.control_database_host, port=settings.control_database_port,
            dbname=settings.control_database_name, **credential,
        ) as control:  # fmt: skip
            # as if the last step had failed for good
            await control.execute("UPDATE control.tenants SET status = 'closing' WHERE id = %s", (fresh.id,))
        await admin.delete(f"/v1/tenants/{fresh.id}")
        assert (await _finished(admin, fresh.id, "offboarding"))["status"] == "succeeded", (
            "what failed is closed further"
        )
        assert (await admin.get(f"/v1/tenants/{fresh.id}"))["status"] == "closed"
        assert await _refused(admin.delete(f"/v1/tenants/{fresh.id}")) == (409, "conflict")
        again = await admin.post("/v1/tenants", {"name": fresh.slug, "slug": fresh.slug})
        assert again["id"] != fresh.id, "the slug is free again"
        assert (await _finished(admin, again["id"], "onboarding"))["status"] == "succeeded"


class TestApiKeys:
    @staticmethod
    async def make(client: BezantClient, *scopes: str, **extra: Any) -> dict[str, Any]:
        made: dict[str, Any] = await client.post("/v1/api-keys", {"name": "k", "scopes": list(scopes), **extra})
        return made

    async def test_a_key_may_do_what_its_scopes_say_and_is_listed_without_its_secret(self, tenant: TestTenant) -> None:
        made = await self.make(tenant.client, "accounts:read", "ledger:write")
        async with BezantClient(tenant.url, made["api_key"]) as client:
            assert (await client.get("/v1/accounts"))["data"]
            refused = client.post("/v1/accounts", {"name": "x", "type": "customer", "currency": "USD"})
            assert await _refused(refused) == (403, "forbidden")
        listed = {key["key_id"]: key for key in (await tenant.client.get("/v1/api-keys"))["data"]}
        shown = listed[made["key_id"]]
        assert (shown["scopes"], shown["revoked_at"]) == (["accounts:read", "ledger:write"], None)
        assert made["api_key"] not in str(listed)

    async def test_a_revoked_key_stops_everywhere_within_the_cache_time(self, tenant: TestTenant) -> None:
        made = await self.make(tenant.client, "accounts:read", "payments:read")
        async with BezantClient(tenant.url, made["api_key"]) as client:
            paths = ("/v1/accounts", "/v1/payments")
            for path in paths * 4:
                await client.get(path)
            await tenant.client.delete(f"/v1/api-keys/{made['key_id']}")
            revoked_at = asyncio.get_running_loop().time()

            async def refused_everywhere() -> bool:
                for path in paths * 4:
                    try:
                        await client.get(path)
                    except ApiProblem as problem:
                        assert (problem.status, problem.code) == (401, "unauthenticated")
                    else:
                        return False
                return True

            await eventually(refused_everywhere, within_seconds=30)
            assert asyncio.get_running_loop().time() - revoked_at < 30
        await tenant.client.delete(f"/v1/api-keys/{made['key_id']}")

    async def test_an_expired_key_stops(self, tenant: TestTenant) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=2)
        made = await self.make(tenant.client, "accounts:read", expires_at=soon.isoformat())
        async with BezantClient(tenant.url, made["api_key"]) as client:
            await client.get("/v1/accounts")

            async def expired() -> bool:
                try:
                    await client.get("/v1/accounts")
                except ApiProblem as problem:
                    return problem.status == 401
                return False

            await eventually(expired, within_seconds=30)
        assert datetime.now(UTC) >= soon

    async def test_a_key_cannot_give_what_it_does_not_have(self, tenant: TestTenant) -> None:
        made = await self.make(tenant.client, "keys:write", "accounts:read")
        async with BezantClient(tenant.url, made["api_key"]) as client:
            for scope in ("payments:write", "webhooks:write", "admin"):
                assert await _refused(self.make(client, scope)) == (403, "forbidden")
            assert (await self.make(client, "accounts:read"))["api_key"]
        reader = await self.make(tenant.client, "accounts:read")
        async with BezantClient(tenant.url, reader["api_key"]) as client:
            assert await _refused(self.make(client, "accounts:read")) == (403, "forbidden")
            assert await _refused(client.get("/v1/api-keys")) == (403, "forbidden")
            assert await _refused(client.delete(f"/v1/api-keys/{made['key_id']}")) == (403, "forbidden")

    async def test_the_scope_of_administrators_is_never_a_tenants(
        self, tenant: TestTenant, admin: BezantClient
    ) -> None:
        assert await _refused(self.make(tenant.client, "admin")) == (403, "forbidden")
        assert await _refused(self.make(admin, "admin", tenant_id=tenant.id)) == (403, "forbidden")
        assert await _refused(self.make(admin, "payments:read", tenant_id=str(uuid4()))) == (404, "not_found")

    async def test_another_tenants_keys_do_not_exist(
        self, tenant: TestTenant, other_tenant: TestTenant, admin: BezantClient
    ) -> None:
        theirs = await self.make(other_tenant.client, "accounts:read")
        assert await _refused(tenant.client.delete(f"/v1/api-keys/{theirs['key_id']}")) == (404, "not_found")
        assert await _refused(tenant.client.delete(f"/v1/api-keys/{'a' * 12}")) == (404, "not_found")
        mine = await self.make(tenant.client, "accounts:read", tenant_id=other_tenant.id)
        listed = [key["key_id"] for key in (await tenant.client.get("/v1/api-keys", tenant_id=other_tenant.id))["data"]]
        assert mine["key_id"] in listed, "a tenant's key makes and sees its own tenant's keys, whatever it asks for"
        assert theirs["key_id"] not in listed
        seen = [key["key_id"] for key in (await admin.get("/v1/api-keys", tenant_id=other_tenant.id))["data"]]
        assert theirs["key_id"] in seen
        assert mine["key_id"] not in seen

    async def test_the_first_key_has_neither_the_ledger_nor_erasure(self, tenant: TestTenant) -> None:
        first = (await tenant.client.get("/v1/api-keys"))["data"][0]
        assert sorted(first["scopes"]) == sorted(DEFAULT_SCOPES)
        assert not {"ledger:write", "audit:write", "admin"} & set(first["scopes"])
        body = {
            "debit_account_id": tenant.accounts["bank"], "credit_account_id": tenant.accounts["alice"],
            "amount": {"amount_minor": 1, "currency": "USD"},
        }  # fmt: skip
        assert await _refused(tenant.client.post("/v1/transfers", body)) == (403, "forbidden")

    @pytest.mark.parametrize(
        "body",
        [
            {}, {"name": "x"}, {"name": "x", "scopes": []}, {"name": "", "scopes": ["accounts:read"]},
            {"name": "x", "scopes": ["accounts:read"] * 21}, {"name": "x", "scopes": "accounts:read"},
            {"name": "x", "scopes": ["accounts:read"], "expires_at": "2030-01-01T00:00:00"},
            {"name": "x", "scopes": ["accounts:read"], "expires_at": "2020-01-01T00:00:00Z"},
            {"name": "x", "scopes": ["accounts:read"], "expires_at": "0001-01-01T00:00:00+14:00"},
            {"name": "x", "scopes": ["accounts:read"], "expires_at": "9999-12-31T23:59:59-14:00"},
            {"name": "x\x00", "scopes": ["accounts:read"]}, {"name": "x", "scopes": ["accounts:read\x00"]},
        ],
    )  # fmt: skip
    async def test_keys_that_make_no_sense_are_refused(self, tenant: TestTenant, body: dict[str, Any]) -> None:
        assert await _refused(tenant.client.post("/v1/api-keys", body)) == (400, "invalid_request")
        assert (await tenant.client.get("/v1/api-keys"))["data"]
