"""Schemathesis over every operation of the API document: whatever is sent, the answer is one that the document
describes, and never a 5xx. Ids are mostly those of things that exist, so that requests get past the first check.
What is generated is derandomized: a run can be repeated."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bezant.client import BezantClient
from bezant.foundation.identity.api_keys import ALL_SCOPES, PLATFORM_SCOPES
from bezant.local.platform import LocalPlatform

from ..stores.fixtures import eventually
from .conftest import TestTenant, make_tenant
from .test_every_endpoint import ADMIN_ONLY, DOCUMENT

EXAMPLES = 40
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
schema = schemathesis.openapi.from_dict(DOCUMENT)


class World:
    """A tenant with one of everything, and the ids by the names under which requests give them."""

    def __init__(self, tenant: TestTenant, key: str, ids: Mapping[str, str]) -> None:
        self.tenant = tenant
        self.key = key
        self.ids = ids

    def put_into(self, value: Any) -> Any:
        """Return the value with every id that a field names replaced by one that exists."""
        if isinstance(value, list):
            return [self.put_into(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            name: self.ids[name] if name in self.ids and _is_id(inner) else self.put_into(inner)
            for name, inner in value.items()
        }


def _is_id(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


@pytest.fixture(scope="session")
async def world(platform: LocalPlatform, admin_key: str, admin: BezantClient) -> World:
    tenant = await make_tenant(platform, admin_key)
    made = await admin.post(
        "/v1/api-keys", {"name": "all", "scopes": sorted(ALL_SCOPES - PLATFORM_SCOPES), "tenant_id": tenant.id}
    )
    key = str(made["api_key"])
    victim = await make_tenant(platform, admin_key)
    await victim.client.close()
    async with BezantClient(platform.url, key) as client:
        endpoint = await client.post("/v1/webhook-endpoints", {"url": "http://127.0.0.1:9/none"})
        for _ in range(2):
            await tenant.pay("bank", "alice", 200_000)
        held = await tenant.pay("alice", "shop", 100, capture="manual")
        assert (await tenant.pay("alice", "bob", 300_000))["status"] == "requires_review"
        transfer = await client.post(
            "/v1/transfers",
            {
                "debit_account_id": tenant.accounts["bank"], "credit_account_id": tenant.accounts["bob"],
                "amount": {"amount_minor": 5, "currency": "USD"}, "pending": True,
            },
        )  # fmt: skip
        entries: list[Any] = []

        async def audited() -> bool:
            entries[:] = (await client.get("/v1/audit/entries", limit=1))["data"]
            return bool(entries)

        await eventually(audited)
        other_key = await client.post("/v1/api-keys", {"name": "victim", "scopes": ["payments:read"]})
        case = (await client.get("/v1/fraud/cases"))["data"][0]
    accounts = tenant.accounts
    ids = {
        "account_id": accounts["alice"], "source_account_id": accounts["alice"], "credit_account_id": accounts["bob"],
        "destination_account_id": accounts["shop"], "debit_account_id": accounts["bank"],
        "payment_id": held["id"], "transfer_id": transfer["id"], "endpoint_id": endpoint["id"],
        "entry_id": str(entries[0]["entry_id"]), "key_id": other_key["key_id"], "tenant_id": victim.id,
        "case_id": case["id"],
    }  # fmt: skip
    await tenant.client.close()
    return World(tenant, key, ids)


@pytest.mark.faults
@pytest.mark.timeout(300)
@schema.parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
def test_every_answer_is_one_that_the_document_describes(case: schemathesis.Case, world: World, admin_key: str) -> None:
    key = admin_key if case.path.startswith(ADMIN_ONLY) else world.key
    case.path_parameters = world.put_into(case.path_parameters)
    case.body = world.put_into(case.body)
    headers: dict[str, Any] = {"authorization": f"Bearer {key}"}
    answer = case.call(base_url=world.tenant.url, headers=headers)
    case.validate_response(answer, checks=CHECKS, headers=headers)
