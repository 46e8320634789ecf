"""Hold what the platform says against what the scenario expects."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from bezant.cli.demo.backtest import BacktestLine, backtest
from bezant.cli.demo.play import Played, outcomes
from bezant.cli.demo.receiver import Receiver
from bezant.cli.demo.scenario import TenantScenario
from bezant.client import BezantClient

_CATCH_UP_SECONDS = 30.0


@dataclass
class TenantReport:
    """One tenant's results; `failures` says in sentences what is not as it should be."""

    slug: str
    tenant_id: str
    story: str
    onboarding: dict[str, Any]
    outcomes: dict[str, int]
    requests: int
    seconds: float
    repeated: int
    balances_checked: int
    ledger: dict[str, Any]
    audit_entries: int
    audit_seconds: float
    audit_problem: str | None
    webhooks: int
    backtests: list[BacktestLine]
    failures: list[str] = field(default_factory=list)


async def check_tenant(
    client: BezantClient, tenant: TenantScenario, played: Played, receiver: Receiver, verify_audit: Any
) -> TenantReport:
    """Return the tenant's report. `verify_audit(client)` returns (entries, problem or None)."""
    expected, failures = tenant.expected, list[str]()
    found = await outcomes(client)
    if dict(found) != expected.outcomes:
        failures.append(f"payments by outcome are {dict(sorted(found.items()))}, expected {expected.outcomes}")
    if played.differing_repetitions:
        failures.append(f"{played.differing_repetitions} repeated requests made a payment of their own")
    for ref, posted in (await _balances(client, played)).items():
        if posted != expected.balances[ref]:
            failures.append(f"the balance of {ref} is {posted}, expected {expected.balances[ref]}")
    ledger = await client.get("/v1/ledger/check")
    if not ledger["consistent"]:
        failures.append(f"the ledger check names {ledger['difference_count']} differences")
    audit_seconds = await _audit_caught_up(client, expected.payments)
    entries, problem = await verify_audit(client)
    if problem is not None:
        failures.append(f"the audit log does not verify: {problem}")
    backtests, problems = await backtest(client, tenant, played)
    failures += problems
    webhooks = await receiver.caught_up(tenant.slug, at_least=expected.payments, timeout_seconds=_CATCH_UP_SECONDS)
    failures += receiver.failures(tenant.slug)
    if webhooks < expected.payments:
        failures.append(f"{webhooks} payment webhooks arrived, at least {expected.payments} were expected")
    return TenantReport(
        slug=tenant.slug, tenant_id=played.tenant_id, story=tenant.story, onboarding=played.onboarding,
        outcomes=dict(found), requests=played.requests, seconds=played.seconds, repeated=played.repeated,
        balances_checked=len(expected.balances), ledger=ledger, audit_entries=entries, audit_seconds=audit_seconds,
        audit_problem=problem, webhooks=webhooks, backtests=backtests,
        failures=failures,
    )  # fmt: skip


async def _balances(client: BezantClient, played: Played) -> dict[str, int]:
    async def one(ref: str, account_id: str) -> tuple[str, int]:
        balance = await client.get(f"/v1/accounts/{account_id}/balance")
        return ref, int(balance["posted"]["amount_minor"])

    return dict(await asyncio.gather(*(one(ref, account_id) for ref, account_id in played.accounts.items())))


async def _audit_caught_up(client: BezantClient, at_least: int) -> float:
    """Wait until the audit log has stopped growing and holds the payments; return the seconds it took."""
    began, last, still = time.perf_counter(), -1, 0
    while time.perf_counter() - began < _CATCH_UP_SECONDS:
        size = int((await client.get("/v1/audit/tree-head"))["tree_size"])
        still = still + 1 if size == last else 0
        if size >= at_least and still >= 5:
            break
        last = size
        await asyncio.sleep(0.1)
    return time.perf_counter() - began
