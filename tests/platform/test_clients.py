"""Both clients against the running platform, by the names of operations."""

import asyncio

from bezant.client import BezantClient, BezantSyncClient

from .conftest import TestTenant


def _pay_with_the_synchronous_client(tenant: TestTenant) -> tuple[str, list[str]]:
    with BezantSyncClient(tenant.url, tenant.api_key) as bezant:
        account = bezant.accounts.create({"name": "sync", "type": "customer", "currency": "USD"})
        payment = bezant.payments.create(
            {
                "source_account_id": tenant.accounts["bank"], "destination_account_id": account["id"],
                "amount": {"amount_minor": 250, "currency": "USD"},
            },
            idempotency_key=f"sync {account['id']}",
        )  # fmt: skip
        assert payment["status"] == "captured"
        assert bezant.accounts.get_balance(account["id"])["posted"]["amount_minor"] == 250
        return payment["id"], [entry["id"] for entry in bezant.payments.iterate(limit=1)]


async def test_the_clients_agree(tenant: TestTenant) -> None:
    paid, listed = await asyncio.to_thread(_pay_with_the_synchronous_client, tenant)
    async with BezantClient(tenant.url, tenant.api_key) as bezant:
        assert (await bezant.payments.get(paid))["amount"] == {"amount_minor": 250, "currency": "USD"}
        assert [entry["id"] async for entry in bezant.payments.iterate()] == listed
    assert listed[0] == paid
