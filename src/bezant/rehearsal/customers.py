"""The tenants that a rehearsal loads: registered, with a bank that pays and accounts that are paid."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from bezant.client import BezantClient
from bezant.local.errors import StartFailed

_ONBOARDED_WITHIN_SECONDS: Final = 120.0


@dataclass(slots=True)
class Customer:
    """One tenant under load."""

    id: str
    slug: str
    api_key: str
    bank: str
    """A settlement account, which may go below zero."""
    accounts: list[str]


async def furnish(url: str, admin_key: str, *, tenants: int, accounts: int = 40, tag: str) -> list[Customer]:
    """Register tenants, wait until they are active, and open their accounts. Slugs begin with `tag`."""
    async with BezantClient(url, admin_key) as admin:
        return list(await asyncio.gather(*(_customer(url, admin, f"{tag}-{n}", accounts) for n in range(tenants))))


async def _customer(url: str, admin: BezantClient, slug: str, accounts: int) -> Customer:
    made = await admin.post("/v1/tenants", {"name": slug, "slug": slug, "rate_limit_per_second": 100_000})
    deadline = time.monotonic() + _ONBOARDED_WITHIN_SECONDS
    onboarding = await admin.get(made["onboarding"])
    while onboarding["status"] == "running" and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        onboarding = await admin.get(made["onboarding"])
    if onboarding["status"] != "succeeded":
        why = onboarding["error"] or f"still {onboarding['status']} after {_ONBOARDED_WITHIN_SECONDS:.0f} s"
        raise StartFailed(f"the tenant {slug} was not onboarded: {why}")

    async with BezantClient(url, made["api_key"]) as client:

        async def account(kind: str, name: str) -> str:
            opened = await client.post("/v1/accounts", {"name": name, "type": kind, "currency": "USD"})
            return str(opened["id"])

        # one account pays for everybody here: under a quiet tenant's rules most of its payments would be declined
        await client.put("/v1/fraud/rules", {"thresholds": {"burst_count_1m": 1e9, "burst_count_1h": 1e9}})
        bank = await account("settlement", "bank")
        customers = await asyncio.gather(*(account("customer", f"customer {n}") for n in range(accounts)))
    return Customer(made["id"], slug, made["api_key"], bank, list(customers))
