"""What holds for every operation of the API document: keys, scopes, tenants, bodies. Made from the document itself,
so that an endpoint that is added is tested too."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from bezant.cli.client_code import client_code
from bezant.cli.contracts import rendered
from bezant.client import BezantClient

from .conftest import TestTenant

DOCUMENT: dict[str, Any] = json.loads(rendered()["openapi.json"])
ADMIN_ONLY = "/v1/tenants"


def operations() -> Iterator[tuple[str, str]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            # Signing in is how one gets a key: it needs none.
            if operation.get("security") != []:
                yield method.upper(), path


OPERATIONS = sorted(operations())
NAMES = (
    "/v1/idempotency/{key}",
    "/v1/fraud/rules/versions/{version}",
    "/v1/fraud/rules/versions/{version}/activate",
    "/v1/email-templates/{event_type}",
)
"""Parameters that are names of each tenant's own, not ids."""
WITH_ID = [
    (method, path)
    for method, path in OPERATIONS
    if "{" in path and not path.startswith(ADMIN_ONLY) and path not in NAMES
]
WITH_BODY = [(method, path) for method, path in OPERATIONS if "requestBody" in DOCUMENT["paths"][path][method.lower()]]


async def send(
    url: str,
    method: str,
    path: str,
    *,
    key: str | None,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    sent = {"content-type": "application/json", "idempotency-key": str(uuid4())} | (headers or {})
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url + path, data=body, headers=sent) as answer,
    ):
        raw = await answer.read()
        return answer.status, json.loads(raw) if raw else {}


def filled(path: str, value: str) -> str:
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        name = path[start + 1 : end]
        path = (
            path[:start] + {"key_id": "a" * 12, "kind": "onboarding", "version": "1"}.get(name, value) + path[end + 1 :]
        )
    return path


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_without_a_key_nothing_is_answered(tenant: TestTenant, method: str, path: str) -> None:
    for key in (None, "nonsense", "bz_" + "a" * 12 + "_" + "b" * 43):
        status, problem = await send(tenant.url, method, filled(path, str(uuid4())), key=key, body=b"{}")
        assert (status, problem["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_a_key_without_the_scope_is_refused(
    tenant: TestTenant, powerless: tuple[str, str], method: str, path: str
) -> None:
    key = powerless[path.startswith(("/v1/transfers", "/v1/ledger"))]
    status, problem = await send(tenant.url, method, filled(path, str(uuid4())), key=key, body=b"{}")
    if path == "/v1/sessions/current":
        # Everybody may know who they are, and end their own session, which a key is not.
        assert status in (200, 409)
        return
    if path == "/v1/api-keys/{key_id}/rotate":
        assert status in (403, 404)
        return
    if path == "/v1/idempotency/{key}":
        # Whoever may read something that keys make may ask: it is refused once it is known whose the key is.
        assert status == 404
        return
    # What is asked is looked at after who asks, or before: never is anything done.
    assert status in (400, 403), problem
    if status == 400:
        assert problem["code"] == "invalid_request"


@pytest.fixture(scope="session")
async def powerless(tenant: TestTenant, admin: BezantClient) -> tuple[str, str]:
    """Two keys with one scope each: reading transfers, and managing keys."""
    made = [
        await admin.post("/v1/api-keys", {"name": scope, "scopes": [scope], "tenant_id": tenant.id})
        for scope in ("transfers:read", "keys:write")
    ]
    return made[0]["api_key"], made[1]["api_key"]


@pytest.fixture(scope="session")
async def full_key(other_tenant: TestTenant, admin: BezantClient) -> str:
    scopes = [
        "accounts:read", "accounts:write", "payments:read", "payments:write", "transfers:read", "ledger:write",
        "fraud:read", "fraud:write", "webhooks:read", "webhooks:write", "audit:read", "audit:write", "keys:write",
        "approvals:read", "approvals:write", "people:read", "people:write",
    ]  # fmt: skip
    made = await admin.post("/v1/api-keys", {"name": "all", "scopes": scopes, "tenant_id": other_tenant.id})
    return str(made["api_key"])


@pytest.fixture(scope="session")
async def things(tenant: TestTenant) -> dict[str, str]:
    """Ids of things of the first tenant, by the name of the path parameter."""
    await tenant.open("thing-owner")
    await tenant.pay("bank", "thing-owner", 10_000)
    payment = await tenant.pay("thing-owner", "shop", 100, capture="manual")
    endpoint = await tenant.client.post(
        "/v1/webhook-endpoints", {"url": "http://127.0.0.1:9/none", "event_filters": ["*"]}
    )
    keys = await tenant.client.get("/v1/api-keys")
    return {
        "account_id": tenant.accounts["thing-owner"],
        "payment_id": payment["id"],
        "transfer_id": payment["id"],
        "endpoint_id": endpoint["id"],
        "key_id": keys["data"][0]["key_id"],
    }


BODIES = {
    "/v1/accounts/{account_id}/limits": {"daily_limit_minor": 5},
    "/v1/fraud/cases/{case_id}/decision": {"decision": "approve"},
    "/v1/fraud/cases/{case_id}/notes": {"note": "x"},
    "/v1/fraud/cases/{case_id}/assignee": {"assignee": None},
    "/v1/fraud/labels/{payment_id}": {"label": "fraud"},
    "/v1/webhook-endpoints/{endpoint_id}/replay": {"since_sequence": 1},
    "/v1/email-subscriptions/{endpoint_id}/replay": {"since_sequence": 1},
    "/v1/email-subscriptions/{endpoint_id}/confirm": {"code": "A"},
}


@pytest.mark.parametrize(("method", "path"), WITH_ID)
async def test_another_tenants_ids_do_not_exist(
    other_tenant: TestTenant, full_key: str, things: dict[str, str], method: str, path: str
) -> None:
    target = path
    for name, value in things.items():
        target = target.replace("{" + name + "}", value)
    body = json.dumps(BODIES.get(path, {})).encode()
    status, problem = await send(other_tenant.url, method, filled(target, str(uuid4())), key=full_key, body=body)
    assert status == 404, problem
    assert "not_found" in problem["code"]


NONSENSE = [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"unknown_field": 1}', b"[" * 5000 + b"]" * 5000]


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_nonsense_bodies_are_refused_with_a_reason(
    tenant: TestTenant, full_key: str, admin_key: str, other_tenant: TestTenant, method: str, path: str
) -> None:
    key = admin_key if path.startswith(ADMIN_ONLY) else full_key
    for body in NONSENSE:
        status, problem = await send(other_tenant.url, method, filled(path, str(uuid4())), key=key, body=body)
        assert 400 <= status < 500, (body, problem)
        assert problem["code"]
        assert problem["detail"]


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_an_oversized_body_is_refused(
    full_key: str, admin_key: str, other_tenant: TestTenant, method: str, path: str
) -> None:
    key = admin_key if path.startswith(ADMIN_ONLY) else full_key
    body = b'{"x": "' + b"a" * (1024 * 1024 + 10) + b'"}'
    status, problem = await send(other_tenant.url, method, filled(path, str(uuid4())), key=key, body=body)
    assert (status, problem["code"]) == (413, "body_too_large")


MONEY_POSTS = [
    "/v1/tenants", "/v1/accounts", "/v1/transfers", "/v1/transfers/batch", "/v1/payments", "/v1/payments/batch",
]  # fmt: skip


@pytest.mark.parametrize("path", MONEY_POSTS)
async def test_money_needs_an_idempotency_key(
    full_key: str, admin_key: str, other_tenant: TestTenant, path: str
) -> None:
    key = admin_key if path == ADMIN_ONLY else full_key
    bodies: dict[str, Any] = {
        "/v1/tenants": {"name": "x", "slug": "no-key-given"},
        "/v1/accounts": {"name": "x", "currency": "USD", "type": "customer"},
        "/v1/transfers/batch": {"transfers": [], "atomic": True},
        "/v1/payments/batch": {"payments": [other_tenant.order("bank", "alice", 5)]},
        "/v1/payments": other_tenant.order("bank", "alice", 5),
        "/v1/transfers": {
            "debit_account_id": other_tenant.accounts["bank"], "credit_account_id": other_tenant.accounts["alice"],
            "amount": {"amount_minor": 5, "currency": "USD"},
        },
    }  # fmt: skip
    status, problem = await send(
        other_tenant.url, "POST", path, key=key, body=json.dumps(bodies[path]).encode(), headers={"idempotency-key": ""}
    )
    assert status == 400, problem
    assert problem["code"] in ("idempotency_key_missing", "invalid_request")


@pytest.mark.parametrize(
    "amount",
    [0, -1, 2**53, 10**30, 1.5, "100", None, True, {"x": 1}],
)
async def test_amounts_that_are_none_are_refused(tenant: TestTenant, amount: Any) -> None:
    body = tenant.order("bank", "alice", 1)
    body["amount"]["amount_minor"] = amount
    status, problem = await send(tenant.url, "POST", "/v1/payments", key=tenant.api_key, body=json.dumps(body).encode())
    assert (status, problem["code"]) == (400, "invalid_request"), problem


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": {"amount_minor": 5, "currency": "XXX"}}, 400, "invalid_request"),
        ({"amount": {"amount_minor": 5, "currency": "JPY"}}, 422, "currency_mismatch"),
        ({"source_account_id": "nonsense"}, 400, "invalid_request"),
        ({"source_account_id": str(uuid4())}, 404, "account_not_found"),
        ({"capture": "later"}, 400, "invalid_request"),
        ({"reference": "4111 1111 1111 1111"}, 400, "card_number_refused"),
        ({"metadata": {"pan": "5500005555555559"}}, 400, "card_number_refused"),
        ({"reference": "a\u0000b"}, 400, "invalid_request"),
        ({"splits": [{"account_id": str(uuid4()), "amount_minor": 1}]}, 422, "splits_exceed_amount"),
    ],
)
async def test_payments_that_make_no_sense_record_nothing(
    tenant: TestTenant, change: dict[str, Any], status: int, code: str
) -> None:
    body = tenant.order("bank", "alice", 1) | change
    key = str(uuid4())
    answered, problem = await send(
        tenant.url, "POST", "/v1/payments", key=tenant.api_key, body=json.dumps(body).encode(),
        headers={"idempotency-key": key},
    )  # fmt: skip
    assert (answered, problem["code"]) == (status, code), problem
    looked_up, _ = await send(tenant.url, "GET", f"/v1/idempotency/{key}", key=tenant.api_key)
    assert looked_up == 404


async def test_what_the_gateway_does_not_know_is_a_problem_too(tenant: TestTenant) -> None:
    for path in ("/nowhere", "/internal/v1/ledger/commands", "/metrics", "/readyz", "/v2/payments"):
        status, problem = await send(tenant.url, "GET", path, key=tenant.api_key)
        assert (status, problem["code"]) == (404, "not_found"), path
    status, problem = await send(tenant.url, "DELETE", "/v1/payments", key=tenant.api_key)
    assert (status, problem["code"]) == (405, "method_not_allowed")


def test_the_shipped_documents_and_the_client_are_those_of_the_code() -> None:
    from importlib import resources

    for name, text in rendered().items():
        shipped = resources.files("bezant.contracts").joinpath(name).read_text()
        assert shipped == text, f"{name} is out of date: run `make openapi`"
    for name, text in client_code(DOCUMENT).items():
        shipped = resources.files("bezant.client.generated").joinpath(name).read_text()
        assert shipped == text, f"bezant.client's {name} is out of date: run `make openapi`"
