"""A rolling update, really run: replicas of a new version take the old ones' places while load runs.

What a Deployment does (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment)
with maxUnavailable 0: start as many new replicas as maxSurge allows, wait until they are ready and the gateway sends
to them, and only then let as many old ones finish and end.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bezant.local.plan import STABLE
from bezant.rehearsal import load as loads
from bezant.rehearsal.fleet import Fleet
from bezant.rehearsal.report.document import Event, Figure, Promise, Report, Series, Table, Timeline, now_text
from bezant.rehearsal.upgrade import Prepared, Told, Upgrade, upgrade
from bezant.rehearsal.versions import Version, resolve

GRACE_SECONDS: Final = 30.0
"""How long a process has to end after SIGTERM; the document's terminationGracePeriodSeconds."""
_REACHED_ONE_OF: Final = 5
_BEFORE_AND_AFTER: Final = 200
"""Requests answered before the first replica is touched, and after the last."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A rolling update to rehearse."""

    service: str
    reference: str
    replicas: int
    max_surge: int
    requests: int
    """How many requests are sent at least."""
    requests_per_second: float
    tenants: int = 2
    data_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """One replica and its successor."""

    old: str
    new: str
    ready_after_seconds: float
    """From the start of the new one until the gateway sent it requests."""
    ended_after_seconds: float
    """From its last new request until the old one had ended."""
    ended_badly: str
    """How it ended if that was not of itself, with 0."""


async def rehearse(plan: Plan, *, told: Told = lambda _: None, prepared: Prepared | None = None) -> Report:
    """Run the update and report. `prepared` is called when load is about to start.

    Raises `PlatformError`, `VersionUnusable`.
    """
    started_at, began = now_text(), time.monotonic()
    reference = await asyncio.to_thread(resolve, plan.reference)
    async with upgrade(
        plan.service, reference, replicas=plan.replicas, spare=plan.max_surge, tenants=plan.tenants,
        requests_per_second=plan.requests_per_second, data_dir=plan.data_dir, told=told, prepared=prepared,
    ) as upgraded:  # fmt: skip
        fleet, load, version = upgraded.fleet, upgraded.load, upgraded.version
        already_sent = await fleet.requests_sent(STABLE)
        told(f"rolling {plan.service} to {version.label}")
        await load.more(_BEFORE_AND_AFTER)
        from_seconds = fleet.seconds()
        replaced = await roll(fleet, version, plan.max_surge, at_least=plan.replicas)
        to_seconds = fleet.seconds()
        await load.more(max(_BEFORE_AND_AFTER, plan.requests - len(load.outcomes)))
        reached = await fleet.requests_sent(STABLE) - already_sent
        seconds = time.monotonic() - began
    return _report(
        plan, upgraded, replaced, rolled=(from_seconds, to_seconds), reached=int(reached), started_at=started_at,
        seconds=seconds,
    )  # fmt: skip


async def roll(fleet: Fleet, version: Version, max_surge: int, *, at_least: int) -> list[Replaced]:
    """Replace every replica, `max_surge` at a time and never with fewer than `at_least` ready."""
    old = [f"{fleet.service}-{number}" for number in range(at_least)]
    replaced: list[Replaced] = []
    while old:
        batch, old = old[:max_surge], old[max_surge:]
        began = time.monotonic()
        new = [await fleet.add(version, arm=STABLE) for _ in batch]
        for name in new:
            await fleet.wait_ready(name, in_gateway=at_least + len(batch))
        ready = time.monotonic()

        async def end(name: str, successor: str, *, ready_after: float, since: float) -> Replaced:
            ended_badly = await fleet.remove(name)
            return Replaced(name, successor, ready_after, time.monotonic() - since, ended_badly)

        replaced += await asyncio.gather(
            *(
                end(name, successor, ready_after=ready - began, since=ready)
                for name, successor in zip(batch, new, strict=True)
            )
        )
    return replaced


def _report(
    plan: Plan, seen: Upgrade, replaced: list[Replaced],
    *, rolled: tuple[float, float], reached: int, started_at: str, seconds: float,
) -> Report:  # fmt: skip
    fleet, load, version, ledger = seen.fleet, seen.load, seen.version, seen.ledger
    migrated, outcomes = seen.migrated.strip(), load.outcomes
    failed = [outcome for outcome in outcomes if outcome.is_failed]
    rolling = [moment for moment in fleet.history if rolled[0] <= moment.at_seconds <= rolled[1]]
    fewest = min((moment.ready for moment in rolling), default=0)
    most = max((len(moment.pods) for moment in rolling), default=0)
    slowest_end = max(one.ended_after_seconds for one in replaced)
    running = {pod.version for pod in fleet.pods}
    promises = [
        Promise("No request fails", not failed, f"{len(failed)} of {len(outcomes):,} failed"),
        Promise("Enough requests were sent", len(outcomes) >= plan.requests, f"{len(outcomes):,} of {plan.requests:,}"),
        # a service that is asked little shows little, however well its update goes
        Promise(
            f"At least every {_REACHED_ONE_OF}th of them reaches {plan.service}",
            reached * _REACHED_ONE_OF >= len(outcomes),
            f"{reached:,} did, and what they caused",
        ),
        *ledger.promises(),
        Promise(
            f"Never fewer than {plan.replicas} replicas are ready", fewest >= plan.replicas, f"{fewest} at the least"
        ),
        Promise(
            f"Never more than {plan.max_surge} above",
            most <= plan.replicas + plan.max_surge,
            f"{most} replicas at the most",
        ),
        Promise("Only the new version runs in the end", running == {version.label}, ", ".join(sorted(running))),
        Promise(
            f"Every old replica ends within {GRACE_SECONDS:.0f} s",
            slowest_end <= GRACE_SECONDS,
            f"{slowest_end:.1f} s the slowest",
        ),
        Promise(
            "Every old replica ends cleanly",
            not any(one.ended_badly for one in replaced),
            ", ".join(f"{one.old} {one.ended_badly}" for one in replaced if one.ended_badly) or f"{len(replaced)} did",
        ),
    ]
    latencies = [outcome.seconds * 1000 for outcome in outcomes]
    return Report(
        rehearsal="rolling",
        title=f"Rolling update of {plan.service}: {fleet.version} to {version.label}",
        model=None,
        started_at=started_at,
        duration_seconds=seconds,
        settings={
            "service": plan.service,
            "to": f"{plan.reference} ({version.origin})",
            "replicas": str(plan.replicas),
            "max_surge": str(plan.max_surge),
            "max_unavailable": "0",
            "requests_per_second": f"{plan.requests_per_second:g}",
            "tenants": str(plan.tenants),
            **({"migrated": migrated} if migrated else {}),
        },
        promises=promises,
        figures=[
            Figure("requests", len(outcomes)),
            Figure("sent a second, on average", load.sent_a_second()),
            Figure(f"reached {plan.service}, with what they caused", reached),
            Figure("payments acknowledged", ledger.acknowledged),
            Figure("asked again after the load", seen.unanswered),
            Figure("the update took", round(rolled[1] - rolled[0], 1), "s"),
            Figure("latency p50", round(loads.percentile(latencies, 0.5), 1), "ms"),
            Figure("latency p99", round(loads.percentile(latencies, 0.99), 1), "ms"),
        ],
        tables=[
            Table(
                "Replicas",
                ["old", "new", "new one ready after", "old one ended after"],
                [
                    [one.old, one.new, f"{one.ready_after_seconds:.2f} s", f"{one.ended_after_seconds:.2f} s"]
                    for one in replaced
                ],
            ),
            *([_failures(failed)] if failed else []),
        ],
        timeline=Timeline(
            lanes=fleet.lanes(fleet.seconds()),
            series=[
                Series("ready replicas", "replicas", [(one.at_seconds, one.ready) for one in fleet.history],
                       limit=plan.replicas, limit_name="promised", is_stepped=True),
                *load.series(began=fleet.began),
            ],
            events=[Event(rolled[0], "the update begins", "change"), Event(rolled[1], "the update is done", "good")],
        ),
    )  # fmt: skip


def _failures(failed: list[loads.Outcome]) -> Table:
    kinds: dict[tuple[str, int, str], int] = {}
    for one in failed:
        kinds[one.kind, one.status, one.told] = kinds.get((one.kind, one.status, one.told), 0) + 1
    return Table(
        "Failed requests",
        ["kind", "status", "what", "how many"],
        [[kind, str(status), told, str(count)] for (kind, status, told), count in sorted(kinds.items())],
    )
