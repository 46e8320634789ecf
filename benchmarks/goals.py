"""The goals for many tenants, measured: payments a second and latencies, each as a ratio to its goal."""

import asyncio
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from benchmarks.receiver import CountingReceiver
from bezant.bench.tenants import Measured, Plan, TenantBench
from bezant.local.platform import LocalPlatform

CUSTOMERS: Final = 200
CLIENTS: Final = 64
OVERLOAD: Final = 4
RECOVERED_WITHIN_SECONDS: Final = 5.0


@dataclass(slots=True)
class Row:
    """One goal. `higher` says whether more is better; the ratio is above 1 when the goal is met."""

    what: str
    goal: float
    unit: str
    higher: bool = True
    runs: list[float] = field(default_factory=list)

    @property
    def measured(self) -> float:
        """The median of the runs."""
        return statistics.median(self.runs)

    @property
    def ratio(self) -> float:
        """How far the goal is met."""
        if self.higher:
            return self.measured / self.goal
        return self.goal / self.measured if self.measured else float("inf")

    def document(self) -> dict[str, Any]:
        """Return the row for the report."""
        return asdict(self) | {"measured": round(self.measured, 1), "ratio": round(self.ratio, 2)}


async def measure_tenants(
    platform: LocalPlatform, *, tenants: int, seconds: float, runs: int, told: Callable[[str], None]
) -> tuple[list[Row], list[dict[str, Any]]]:
    """Return the rows of a platform with so many tenants, and the whole of each measurement.

    Fraud rules, audit, and a webhook endpoint for each tenant are on.
    """
    async with CountingReceiver() as receiver:
        bench = await TenantBench.prepare(platform, tenants=tenants, customers=max(4, CUSTOMERS // tenants), told=told)
        try:
            for tenant in bench.tenants:
                await receiver.subscribe_with(bench.furnisher.call, tenant.api_key)
            return await _rows(bench, tenants=tenants, seconds=seconds, runs=runs, told=told)
        finally:
            await bench.close()


async def _rows(
    bench: TenantBench, *, tenants: int, seconds: float, runs: int, told: Callable[[str], None]
) -> tuple[list[Row], list[dict[str, Any]]]:
    rows, documents = _goals(tenants), []

    async def run(what: str, load: str, rate: float | None = None) -> Measured:
        told(f"{tenants} tenants, {what} ...")
        plan = Plan(tenants, len(bench.tenants[0].customers), load, CLIENTS, seconds, rate)
        measured = await bench.measure(plan)
        documents.append({"what": what, **measured.document()})
        return measured

    for _ in range(runs):
        closed = await run("closed loop", "uniform")
        best = closed.result.payments_per_second
        rows["rate"].runs.append(best)
        if "p99" in rows:
            rows["p99"].runs.append(closed.result.percentile(0.99))
        rows["unscored"].runs.append(closed.result.unscored)
        rows["processing"].runs.append(closed.result.statuses["202"])
        if "hot" in rows:
            rows["hot"].runs.append((await run("one hot account", "hot")).result.payments_per_second / best)
        half = await run("open loop at half of it", "uniform", best / 2)
        rows["half p99"].runs.append(half.result.percentile(0.99))
        over = await run(f"open loop at {OVERLOAD} times of it", "uniform", best * OVERLOAD)
        rows["goodput"].runs.append(over.result.payments_per_second / best)
        rows["refusal"].runs.append(over.result.refused_percentile(0.99))
        rows["overload unscored"].runs.append(over.result.unscored)
        await asyncio.sleep(RECOVERED_WITHIN_SECONDS)
        after = await run("open loop at half of it, after the overload", "uniform", best / 2)
        rows["after"].runs.append(after.result.percentile(0.99) / max(1.0, half.result.percentile(0.99)))
    return list(rows.values()), documents


def _goals(tenants: int) -> dict[str, Row]:
    of = f"{tenants} tenants: " if tenants > 1 else "1 tenant: "
    goals = {
        "rate": Row(of + "payments a second, 64 clients", {1: 1800, 10: 1000, 100: 500}.get(tenants, 150), "1/s"),
        "unscored": Row(of + "payments without a score", 0.5, "", higher=False),
        "processing": Row(of + "answers 202", 0.5, "", higher=False),
        "half p99": Row(of + "p99 at half the rate, open loop", 40 if tenants == 1 else 150, "ms", higher=False),
        "goodput": Row(of + "goodput at four times the rate", 0.8, "of the rate"),
        "refusal": Row(of + "p99 of a refusal", 50, "ms", higher=False),
        "overload unscored": Row(of + "payments without a score at four times the rate", 0.5, "", higher=False),
        "after": Row(of + "p99 five seconds after, to that before", 2, "times", higher=False),
    }
    if tenants == 1:
        goals["hot"] = Row(of + "one hot account, to uniform", 0.9, "of the rate")
    if tenants == 100:
        goals["p99"] = Row(of + "p99, 64 clients", 400, "ms", higher=False)
    return goals
