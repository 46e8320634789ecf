"""Payments through the gateway with everything on: closed loop, many clients, one or many tenants."""

import asyncio
import random
import statistics
import time
from typing import Any

from benchmarks.client import Load, Tenant


async def closed_loop(load: Load, tenants: list[Tenant], *, clients: int, seconds: float) -> dict[str, Any]:
    """Run clients that each send the next payment when the last was answered. Latencies in milliseconds."""
    latencies: list[float] = []
    outcomes: dict[str, int] = {}
    sent = {tenant.id: 0 for tenant in tenants}
    stop_at = time.perf_counter() + seconds

    async def client(number: int) -> None:
        chooser = random.Random(number)
        tenant = tenants[number % len(tenants)]
        while (began := time.perf_counter()) < stop_at:
            if len(tenants) > clients:
                tenant = chooser.choice(tenants)
            status, answer = await load.pay(
                tenant, tenant.bank, chooser.choice(tenant.customers), chooser.randint(1, 5000)
            )
            latencies.append((time.perf_counter() - began) * 1000)
            outcome = str(answer.get("status") if status in (201, 202) else status)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if status == 201:
                sent[tenant.id] += 1

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    elapsed = time.perf_counter() - began
    ordered = sorted(latencies)
    return {
        "clients": clients,
        "tenants": len(tenants),
        "seconds": round(elapsed, 2),
        "payments": len(ordered),
        "payments_per_second": round(len(ordered) / elapsed, 1),
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
        "max_ms": round(ordered[-1], 2),
        "outcomes": outcomes,
        "acknowledged": sent,
    }


async def caught_up(load: Load, tenant: Tenant, *, at_least: int, timeout_seconds: float) -> float:
    """Return the seconds until the tenant's audit log holds `at_least` entries about payments."""
    began = time.perf_counter()
    while time.perf_counter() - began < timeout_seconds:
        _, head = await load.call("GET", "/v1/audit/tree-head", tenant.api_key)
        if head["tree_size"] >= at_least:
            return time.perf_counter() - began
        await asyncio.sleep(0.2)
    raise TimeoutError(f"the audit log has {head['tree_size']} entries of {at_least}")
