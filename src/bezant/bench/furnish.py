"""Tenants for a load: registered, with accounts that hold money and rules that a busy account does not trip."""

import asyncio
import itertools
import time
import uuid
from typing import Any

import aiohttp
import msgspec

from bezant.bench.load import LoadedTenant

_ONBOARDED_WITHIN_SECONDS = 300.0
_OPENING_MINOR = 9_000


class Furnisher:
    """Prepares tenants through the gateway, as an administrator and as each tenant."""

    def __init__(self, url: str, admin_key: str) -> None:
        self._url = url
        self._admin_key = admin_key
        self._keys = itertools.count()
        self._run = uuid.uuid4().hex[:8]
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60), timeout=aiohttp.ClientTimeout(total=60)
        )

    async def call(self, method: str, path: str, api_key: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and the decoded body; tries again what is answered 429 or 503."""
        headers = {"authorization": f"Bearer {api_key}", "content-type": "application/json"}
        if method == "POST":
            headers["idempotency-key"] = f"{self._run}-{next(self._keys)}"
        data = None if body is None else msgspec.json.encode(body)
        for _ in range(60):
            async with self._session.request(method, self._url + path, data=data, headers=headers) as response:
                raw = await response.read()
                if response.status in (429, 503):
                    await asyncio.sleep(float(response.headers.get("retry-after", "0.5")))
                    continue
                return response.status, msgspec.json.decode(raw) if raw else None
        raise RuntimeError(f"{method} {path} was refused 60 times with 429 or 503")

    async def onboard(self, slug: str) -> tuple[str, str, float]:
        """Register a tenant; returns its id, its API key and the seconds until it was active."""
        began = time.perf_counter()
        status, answer = await self.call(
            "POST", "/v1/tenants", self._admin_key, {"name": slug, "slug": slug, "rate_limit_per_second": 100_000}
        )
        if status != 202:
            raise RuntimeError(f"{slug} was not registered: {answer}")
        while True:
            _, tenant = await self.call("GET", f"/v1/tenants/{answer['id']}", self._admin_key)
            if tenant["status"] == "active":
                return answer["id"], answer["api_key"], time.perf_counter() - began
            if tenant["status"] == "failed" or time.perf_counter() - began > _ONBOARDED_WITHIN_SECONDS:
                raise RuntimeError(f"{slug} was not onboarded: {tenant['status']}")
            await asyncio.sleep(0.02)

    async def furnish(self, tenant_id: str, api_key: str, customers: int) -> LoadedTenant:
        """Open a settlement account and customers, and give each customer money."""
        status, answer = await self.call(
            "PUT", "/v1/fraud/rules", api_key, {"thresholds": {"burst_count_1m": 1e9, "burst_count_1h": 1e9}}
        )
        if status != 200:
            raise RuntimeError(f"the rules were not taken: {answer}")
        bank = await self._account(api_key, "settlement", "bank")
        made = [await self._account(api_key, "customer", f"customer {number}") for number in range(customers)]
        tenant = LoadedTenant(tenant_id, api_key, bank, made)
        for customer in made:
            status, answer = await self.call(
                "POST",
                "/v1/payments",
                api_key,
                {
                    "source_account_id": bank,
                    "destination_account_id": customer,
                    "amount": {"amount_minor": _OPENING_MINOR, "currency": "USD"},
                },
            )
            if status != 201 or answer["status"] != "captured":
                raise RuntimeError(f"a customer got no money: {answer}")
            tenant.acknowledged += 1
        return tenant

    async def _account(self, api_key: str, kind: str, name: str) -> str:
        status, answer = await self.call(
            "POST", "/v1/accounts", api_key, {"name": name, "currency": "USD", "type": kind}
        )
        if status != 201:
            raise RuntimeError(f"an account was not opened: {answer}")
        return str(answer["id"])

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
