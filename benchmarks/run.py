"""`make bench`: the platform's figures, as JSON with machine, versions and the pgbench ratio of the same run.

`python -m benchmarks.run [--seconds 60] [--out reports/bench.json]`. Compare ratios, not absolute times: machines
are noisy, and other work on them counts.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.client import Load, Tenant
from benchmarks.machine import describe_machine, pgbench
from benchmarks.payment_load import caught_up, closed_loop
from benchmarks.receiver import CountingReceiver
from bezant.local import footprint
from bezant.local.administration import make_admin_key, settings_of
from bezant.local.options import PlatformOptions
from bezant.local.platform import LocalPlatform

GATEWAY_PORT, PORT_BASE = 27080, 27100
ONBOARDINGS = 50
CUSTOMERS = 200
CLIENTS = 32
SERVICES_TWICE = ("payment", "tenant", "account")
"""Two replicas of the services that take requests, for onboarding: each of them has to be ready for the tenant."""


def _platform(data_dir: str, **replicas: int) -> LocalPlatform:
    return LocalPlatform(
        PlatformOptions(data_dir=data_dir, gateway_port=GATEWAY_PORT, port_base=PORT_BASE, replicas=replicas)
    )


async def _admin(platform: LocalPlatform) -> Load:
    return Load(platform.url, await make_admin_key(settings_of(platform.directory.root), "benchmark"))


def first_payment_seconds(data_dir: str) -> dict[str, float]:
    """Return how long `bezant up` takes on a warm machine until a payment of a known tenant is answered."""

    async def prepare(platform: LocalPlatform) -> Tenant:
        load = await _admin(platform)
        tenant, _ = await load.onboard("warm")
        await load.furnish(tenant, 1)
        await load.close()
        return tenant

    with _platform(data_dir) as platform:
        tenant = asyncio.run(prepare(platform))

    async def pay(platform: LocalPlatform) -> None:
        load = Load(platform.url, "")
        status, answer = await load.pay(tenant, tenant.bank, tenant.customers[0], 100)
        assert status == 201, answer
        await load.close()

    began = time.perf_counter()
    platform = _platform(data_dir)
    platform.start()
    ready = time.perf_counter() - began
    try:
        asyncio.run(pay(platform))
        return {"ready_seconds": round(ready, 2), "first_payment_seconds": round(time.perf_counter() - began, 2)}
    finally:
        platform.stop()


def memory_at_rest(platform: LocalPlatform) -> dict[str, Any]:
    """Return the proportional set size of every process of the platform."""
    status = platform.status()
    pids = {process.name: process.pid for process in status.processes if process.pid is not None}
    parts = footprint.footprint(pids | {"supervisor": status.supervisor_pid})
    sizes = {part.name: round(part.pss_bytes / 1024**2, 1) for part in parts}
    return {"total_mib": round(sum(sizes.values()), 1), "by_process_mib": sizes}


async def onboardings(load: Load) -> dict[str, Any]:
    """Return the times of onboardings one after another."""
    times = [(await load.onboard(f"onboarding-{number}"))[1] for number in range(ONBOARDINGS)]
    ordered = sorted(times)
    return {
        "tenants": ONBOARDINGS,
        "p50_seconds": round(statistics.median(ordered), 3),
        "p95_seconds": round(ordered[int(len(ordered) * 0.95)], 3),
        "max_seconds": round(ordered[-1], 3),
    }


async def payments(load: Load, *, tenants: int, seconds: float, clients: int) -> dict[str, Any]:
    """Return throughput and latency with everything on: fraud rules, audit and a webhook endpoint per tenant."""
    made = []
    async with CountingReceiver() as receiver:
        for number in range(tenants):
            tenant, _ = await load.onboard(f"load-{tenants}-{number}")
            await load.furnish(tenant, max(4, CUSTOMERS // tenants))
            await _calm_rules(load, tenant)
            await receiver.subscribe(load, tenant)
            made.append(tenant)
        await closed_loop(load, made, clients=4, seconds=3)
        heads = {
            tenant.id: (await load.call("GET", "/v1/audit/tree-head", tenant.api_key))[1]["tree_size"]
            for tenant in made
        }
        before = receiver.received
        result = await closed_loop(load, made, clients=clients, seconds=seconds)
        ended = time.perf_counter()
        # each payment makes three events: assessed, transfer posted, captured
        for tenant in made:
            await caught_up(
                load, tenant, at_least=heads[tenant.id] + 3 * result["acknowledged"][tenant.id], timeout_seconds=120
            )
        audited = time.perf_counter() - ended
        await receiver.until(before + result["outcomes"].get("captured", 0), timeout_seconds=120)
        result["audit_caught_up_seconds"] = round(audited, 2)
        result["webhooks_caught_up_seconds"] = round(time.perf_counter() - ended, 2)
        result["webhooks_received"] = receiver.received - before
        for tenant in made:
            _, check = await load.call("GET", "/v1/ledger/check", tenant.api_key)
            assert check["consistent"], check
        result["ledgers_consistent"] = len(made)
    del result["acknowledged"]
    return result


async def _calm_rules(load: Load, tenant: Tenant) -> None:
    """Keep all rules, with the burst thresholds of a busy tenant: one account here pays for everybody."""
    status, answer = await load.call(
        "PUT", "/v1/fraud/rules", tenant.api_key, {"thresholds": {"burst_count_1m": 1e9, "burst_count_1h": 1e9}}
    )
    assert status == 200, answer


async def _measure_onboarding(platform: LocalPlatform) -> dict[str, Any]:
    load = await _admin(platform)
    try:
        return await onboardings(load)
    finally:
        await load.close()


async def _measure_payments(platform: LocalPlatform, seconds: float) -> dict[str, Any]:
    load = await _admin(platform)
    results: dict[str, Any] = {}
    try:
        results["payments_one_tenant"] = await payments(load, tenants=1, seconds=seconds, clients=CLIENTS)
        results["payments_ten_tenants"] = await payments(load, tenants=10, seconds=seconds / 3, clients=CLIENTS)
        return results
    finally:
        await load.close()


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("reports/bench.json"))
    chosen = parser.parse_args()
    results: dict[str, Any] = {"machine": describe_machine()}
    with tempfile.TemporaryDirectory(prefix="bezant-bench-", dir="/tmp") as root:
        os.chmod(root, 0o755)  # noqa: PTH101
        _say("start-up")
        results["start_up"] = first_payment_seconds(f"{root}/start")
        with _platform(f"{root}/rest") as platform:
            _say("memory at rest")
            results["memory_at_rest"] = memory_at_rest(platform)
        with _platform(f"{root}/onboarding", **dict.fromkeys(SERVICES_TWICE, 2)) as platform:
            _say("onboarding, two replicas")
            results["onboarding"] = uvloop.run(_measure_onboarding(platform))
        with _platform(f"{root}/load") as platform:
            _say("payments")
            results |= uvloop.run(_measure_payments(platform, chosen.seconds))
            settings = settings_of(platform.directory.root)
            _say("pgbench on the same server")
            rate = pgbench(
                host=settings.control_database_host, port=settings.control_database_port, user="postgres",
                password=platform.directory.superuser_password.read_text().strip(), clients=16, seconds=10,
            )  # fmt: skip
    results["pgbench_tps"] = round(rate, 1)
    results["payments_per_pgbench_transaction"] = round(results["payments_one_tenant"]["payments_per_second"] / rate, 3)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=2)
    chosen.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


def _say(what: str) -> None:
    sys.stderr.write(f"measuring {what} ...\n")


if __name__ == "__main__":
    main()
