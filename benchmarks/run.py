"""`make bench`: the platform's figures, as JSON with machine, versions and the pgbench ratio of the same run.

`python -m benchmarks.run [--seconds 20] [--runs 5] [--tenants 1 10 100] [--out reports/bench.json]`; beside the JSON
lies a picture. Compare ratios, not absolute times: machines
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
from benchmarks.goals import Row, measure_tenants
from benchmarks.machine import describe_machine, pgbench
from benchmarks.picture import picture
from bezant.local import footprint
from bezant.local.administration import make_admin_key, settings_of
from bezant.local.options import PlatformOptions
from bezant.local.platform import LocalPlatform

GATEWAY_PORT, PORT_BASE = 27080, 27100
ONBOARDINGS = 50
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


async def _measure_onboarding(platform: LocalPlatform) -> dict[str, Any]:
    load = await _admin(platform)
    try:
        return await onboardings(load)
    finally:
        await load.close()


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each load lasts")
    parser.add_argument(
        "--runs", type=int, default=1, help="of which the medians are taken; 5 for what is written down"
    )
    parser.add_argument("--tenants", type=int, nargs="*", default=[1, 10, 100])
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
        rows: list[Row] = []
        results["loads"] = []
        for tenants in chosen.tenants:
            with _platform(f"{root}/load-{tenants}") as platform:
                measured, documents = uvloop.run(
                    measure_tenants(platform, tenants=tenants, seconds=chosen.seconds, runs=chosen.runs, told=_say)
                )
                rows += measured
                results["loads"] += documents
                settings = settings_of(platform.directory.root)
                _say("pgbench on the same server")
                rate = pgbench(
                    host=settings.control_database_host, port=settings.control_database_port, user="postgres",
                    password=platform.directory.superuser_password.read_text().strip(), clients=64, seconds=10,
                )  # fmt: skip
                results[f"pgbench_tps_beside_{tenants}"] = round(rate, 1)
    results["goals"] = [row.document() for row in rows]
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=2)
    chosen.out.write_text(text + "\n")
    chosen.out.with_suffix(".svg").write_text(picture(rows))
    sys.stdout.write(text + "\n")
    for row in rows:
        _say(f"{row.what:<64} goal {row.goal:>8g} {row.unit:<12} measured {row.measured:>9.1f}  {row.ratio:.2f}")


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    main()
