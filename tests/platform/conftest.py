"""One whole platform for a run: seven services, two replicas of those that take writes, tenants to use it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from bezant.client import BezantClient
from bezant.contracts.fleet import SERVICES
from bezant.local.administration import make_admin_key, settings_of
from bezant.local.options import PATIENT, PlatformOptions
from bezant.local.platform import LocalPlatform

from ..local.parts import BLOCK, free_block


@pytest.fixture(scope="session")
def platform() -> Iterator[LocalPlatform]:
    base = free_block(set())
    with tempfile.TemporaryDirectory(prefix="bezant-platform-", dir="/tmp") as directory:
        options = PlatformOptions(
            data_dir=f"{directory}/data dir",
            gateway_port=base + BLOCK - 1,
            port_base=base,
            services=tuple(SERVICES),
            replicas={"payment": 2, "account": 2, "transaction": 2},
            sign_in=True,
            environment={
                **PATIENT,
                "BEZANT_API_KEY_CACHE_SECONDS": "1",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            },
        )
        Path(directory).chmod(0o755)
        with LocalPlatform(options) as running:
            yield running


@pytest.fixture(scope="session")
def admin_key(platform: LocalPlatform) -> str:
    return asyncio.run(make_admin_key(settings_of(platform.directory.root), "tests"))


@dataclass
class TestTenant:
    """A tenant with a settlement account, two customers and a merchant, in USD."""

    __test__ = False

    id: str
    slug: str
    api_key: str
    client: BezantClient
    url: str
    accounts: dict[str, str] = field(default_factory=dict)

    async def open(self, ref: str, kind: str = "customer", currency: str = "USD", **limits: Any) -> str:
        made = await self.client.post("/v1/accounts", {"name": ref, "type": kind, "currency": currency, **limits})
        self.accounts[ref] = made["id"]
        return str(made["id"])

    def order(self, source: str, destination: str, amount: int, currency: str = "USD", **extra: Any) -> dict[str, Any]:
        return {
            "source_account_id": self.accounts.get(source, source),
            "destination_account_id": self.accounts.get(destination, destination),
            "amount": {"amount_minor": amount, "currency": currency},
            **extra,
        }

    async def pay(self, source: str, destination: str, amount: int, key: str | None = None, **extra: Any) -> Any:
        return await self.client.post("/v1/payments", self.order(source, destination, amount, **extra), key=key)

    async def balance(self, ref: str) -> tuple[int, int]:
        """Return (posted, available)."""
        found = await self.client.get(f"/v1/accounts/{self.accounts[ref]}/balance")
        return found["posted"]["amount_minor"], found["available"]["amount_minor"]


async def make_tenant(platform: LocalPlatform, admin_key: str) -> TestTenant:
    """Register a tenant and wait until it is active."""
    slug = f"t-{uuid4().hex[:12]}"
    async with BezantClient(platform.url, admin_key) as admin:
        answer = await admin.post("/v1/tenants", {"name": slug, "slug": slug})
        while (state := await admin.get(answer["onboarding"]))["status"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert state["status"] == "succeeded", state
    client = BezantClient(platform.url, answer["api_key"])
    tenant = TestTenant(answer["id"], slug, answer["api_key"], client, platform.url)
    await asyncio.gather(
        tenant.open("bank", "settlement"), tenant.open("alice"), tenant.open("bob"), tenant.open("shop", "merchant")
    )
    return tenant


@pytest.fixture(scope="session")
async def admin(platform: LocalPlatform, admin_key: str) -> AsyncIterator[BezantClient]:
    async with BezantClient(platform.url, admin_key) as client:
        yield client


@pytest.fixture(scope="session")
async def tenant(platform: LocalPlatform, admin_key: str) -> AsyncIterator[TestTenant]:
    made = await make_tenant(platform, admin_key)
    yield made
    await made.client.close()


@pytest.fixture(scope="session")
async def other_tenant(platform: LocalPlatform, admin_key: str) -> AsyncIterator[TestTenant]:
    made = await make_tenant(platform, admin_key)
    yield made
    await made.client.close()
