"""A small client for load: one connection pool, keys made in place, answers decoded once."""

import asyncio
import itertools
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec


@dataclass
class Tenant:
    """One tenant under load: its key and its accounts."""

    id: str
    api_key: str
    bank: str = ""
    customers: list[str] = field(default_factory=list)


class Load:
    """Talks to the gateway on loopback as an administrator and as tenants."""

    def __init__(self, url: str, admin_key: str) -> None:
        self.url = url
        self.admin_key = admin_key
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60), timeout=aiohttp.ClientTimeout(total=30)
        )
        self._keys = itertools.count()
        self._run = uuid.uuid4().hex[:10]

    def key(self) -> str:
        """Return a fresh idempotency key."""
        return f"{self._run}-{next(self._keys)}"

    async def call(
        self, method: str, path: str, api_key: str, body: Any = None, key: str | None = None
    ) -> tuple[int, Any]:
        """Return (status, decoded body)."""
        headers = {"authorization": f"Bearer {api_key}", "content-type": "application/json"}
        if method == "POST":
            headers["idempotency-key"] = key or self.key()
        data = None if body is None else msgspec.json.encode(body)
        async with self.session.request(method, self.url + path, data=data, headers=headers) as response:
            raw = await response.read()
            return response.status, msgspec.json.decode(raw) if raw else None

    async def onboard(self, slug: str) -> tuple[Tenant, float]:
        """Register a tenant and return it with the seconds until it was active."""
        started = time.perf_counter()
        status, answer = await self.call(
            "POST", "/v1/tenants", self.admin_key, {"name": slug, "slug": slug, "rate_limit_per_second": 100_000}
        )
        assert status == 202, answer
        while True:
            _, tenant = await self.call("GET", f"/v1/tenants/{answer['id']}", self.admin_key)
            if tenant["status"] == "active":
                return Tenant(answer["id"], answer["api_key"]), time.perf_counter() - started
            if tenant["status"] == "failed" or time.perf_counter() - started > 120:
                raise RuntimeError(f"{slug} was not onboarded: {tenant['status']}")
            await asyncio.sleep(0.01)

    async def account(self, tenant: Tenant, kind: str, name: str) -> str:
        """Open an account and return its id."""
        status, answer = await self.call(
            "POST", "/v1/accounts", tenant.api_key, {"name": name, "currency": "USD", "type": kind}
        )
        assert status == 201, answer
        return str(answer["id"])

    async def furnish(self, tenant: Tenant, customers: int) -> None:
        """Open a settlement account and customers."""
        tenant.bank = await self.account(tenant, "settlement", "bank")
        tenant.customers = list(
            await asyncio.gather(*(self.account(tenant, "customer", f"customer {n}") for n in range(customers)))
        )

    async def pay(self, tenant: Tenant, source: str, destination: str, amount_minor: int) -> tuple[int, Any]:
        """Make one payment."""
        body = {
            "source_account_id": source,
            "destination_account_id": destination,
            "amount": {"amount_minor": amount_minor, "currency": "USD"},
        }
        return await self.call("POST", "/v1/payments", tenant.api_key, body)

    async def close(self) -> None:
        """Close the connections."""
        await self.session.close()
