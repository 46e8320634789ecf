"""Measure a platform of its own under the load of many tenants, and check the books afterwards."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bezant.bench.cpu import CpuMeter
from bezant.bench.furnish import Furnisher
from bezant.bench.load import LoadedTenant, PaymentLoad, Result, TenantChoice, by_zipf, uniformly
from bezant.local.administration import make_admin_key, settings_of
from bezant.local.options import PlatformOptions
from bezant.local.platform import LocalPlatform

_FURNISHED_AT_ONCE: Final = 8
_WARM_SECONDS: Final = 5.0
_QUIET_MICROSECONDS: Final = 350_000
"""Processor time in a second: what the platform spends when nothing is asked of it, and something above."""
_QUIET_WITHIN_SECONDS: Final = 120.0
_CAUGHT_UP_WITHIN_SECONDS: Final = 120.0
EVENTS_OF_A_PAYMENT: Final = 3
"""A captured payment is assessed, its transfer posted, and it is captured: three entries of the audit log."""
CHOICES: Final[dict[str, Callable[[list[LoadedTenant]], TenantChoice]]] = {
    "uniform": uniformly,
    "zipf": by_zipf,
    "hot": uniformly,
}
"""How a payment's tenant is chosen. `hot`: as `uniform`, and each tenant's payments all come from one account."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    tenants: int
    customers: int
    load: str
    clients: int
    seconds: float
    rate: float | None = None
    """Payments a second of an open loop; None for a closed one with `clients`."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it."""

    plan: Plan
    result: Result
    cpu_us_per_payment: dict[str, int]
    """By component; PostgreSQL's and Valkey's processes together."""
    connections: int
    """To PostgreSQL, at the end."""
    audited_after_seconds: float
    """How long after the load the audit logs of all tenants had every event."""
    inconsistent_ledgers: int

    def document(self) -> dict[str, Any]:
        """Return the figures for a report."""
        return {
            "tenants": self.plan.tenants,
            "load": self.plan.load,
            **({"clients": self.plan.clients} if self.plan.rate is None else {"offered_per_second": self.plan.rate}),
            **self.result.summary(),
            "cpu_us_per_payment": {"total": sum(self.cpu_us_per_payment.values()), **self.cpu_us_per_payment},
            "postgres_connections": self.connections,
            "audited_after_seconds": round(self.audited_after_seconds, 2),
            "inconsistent_ledgers": self.inconsistent_ledgers,
        }


class TenantBench:
    """A platform with tenants, on which several loads are measured one after another."""

    def __init__(self, platform: LocalPlatform, furnisher: Furnisher, tenants: list[LoadedTenant]) -> None:
        self.tenants = tenants
        self._platform = platform
        self.furnisher = furnisher

    @classmethod
    async def prepare(
        cls, platform: LocalPlatform, *, tenants: int, customers: int, told: Callable[[str], None]
    ) -> "TenantBench":
        """Register and furnish tenants on a running platform, and wait until it is quiet."""
        settings = settings_of(platform.directory.root)
        furnisher = Furnisher(platform.url, await make_admin_key(settings, "benchmark"))
        registered = []
        for number in range(tenants):
            registered.append(await furnisher.onboard(f"bench-{number}"))
            if (number + 1) % 100 == 0:
                told(f"{number + 1} tenants are registered; the last took {registered[-1][2]:.2f} s")
        turns = asyncio.Semaphore(_FURNISHED_AT_ONCE)

        async def furnished(tenant_id: str, api_key: str) -> LoadedTenant:
            async with turns:
                return await furnisher.furnish(tenant_id, api_key, customers)

        made = await asyncio.gather(*(furnished(tenant_id, key) for tenant_id, key, _ in registered))
        told(f"{tenants} tenants have {customers} customers each")
        bench = cls(platform, furnisher, list(made))
        await bench._quiet()
        return bench

    async def measure(self, plan: Plan) -> Measured:
        """Load the platform, after some seconds of the same load that are not counted, and check what came of it."""
        load = PaymentLoad(
            self._platform.url,
            CHOICES[plan.load](self.tenants),
            hot=plan.load == "hot",
            seed=random.SystemRandom().getrandbits(32),
        )
        await load.closed(clients=min(plan.clients, 64), seconds=_WARM_SECONDS)
        meter = CpuMeter({process.name: process.pid for process in self._platform.status().processes if process.pid})
        if plan.rate is None:
            result = await load.closed(clients=plan.clients, seconds=plan.seconds)
        else:
            result = await load.open(rate=plan.rate, seconds=plan.seconds)
        ended = time.perf_counter()
        load.close()
        cpu = meter.microseconds_per(max(1, result.statuses["201"]))
        connections = meter.postgres_processes()
        await self._audited()
        return Measured(plan, result, cpu, connections, time.perf_counter() - ended, await self._inconsistent())

    async def _audited(self) -> None:
        async with asyncio.timeout(_CAUGHT_UP_WITHIN_SECONDS):
            for tenant in self.tenants:
                while await self._entries(tenant) < EVENTS_OF_A_PAYMENT * tenant.acknowledged:
                    await asyncio.sleep(0.2)

    async def _entries(self, tenant: LoadedTenant) -> int:
        _, head = await self.furnisher.call("GET", "/v1/audit/tree-head", tenant.api_key)
        return int(head["tree_size"])

    async def _inconsistent(self) -> int:
        checks = [(await self.furnisher.call("GET", "/v1/ledger/check", tenant.api_key))[1] for tenant in self.tenants]
        return sum(not check["consistent"] for check in checks)

    async def _quiet(self) -> None:
        """Wait until what was made before has been audited and announced, so that it is not measured."""
        pids = {process.name: process.pid for process in self._platform.status().processes if process.pid}
        async with asyncio.timeout(_QUIET_WITHIN_SECONDS):
            calm = 0
            while calm < 3:
                meter = CpuMeter(pids)
                await asyncio.sleep(1)
                calm = calm + 1 if sum(meter.microseconds_per(1).values()) < _QUIET_MICROSECONDS else 0

    async def close(self) -> None:
        """Close the connections; the platform goes on."""
        await self.furnisher.close()


async def bench_tenants(options: PlatformOptions, plan: Plan, *, told: Callable[[str], None]) -> Measured:
    """Start a platform, measure one load on it, and stop it. Raises `PlatformError` when it does not start."""
    with LocalPlatform(options) as platform:
        bench = await TenantBench.prepare(platform, tenants=plan.tenants, customers=plan.customers, told=told)
        try:
            return await bench.measure(plan)
        finally:
            await bench.close()
