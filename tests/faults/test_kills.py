"""Processes and servers are killed, stopped and frozen while payments run: nothing is lost, nothing is done twice."""

import signal
import time

import pytest

from bezant.contracts.fleet import SERVICES
from bezant.local.status import PlatformState

from .fleet import Fleet, eventually
from .journal import Journal
from .stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
OUTAGE_SECONDS = 60.0


@pytest.fixture
async def journals(stage: Stage) -> list[Journal]:
    return [await stage.tenant(), await stage.tenant()]


async def test_every_service_process_and_the_gateway_can_be_killed(stage: Stage, journals: list[Journal]) -> None:
    victims = [process.name for process in (await stage.fleet.status()).processes if process.role in SERVICES]
    async with stage.traffic(*journals) as traffic:
        for victim in [*victims, "gateway"]:
            await traffic.more(5)
            await stage.fleet.kill(victim)
        await traffic.more(10)
    await stage.judge.judge(*journals)


@pytest.mark.parametrize("service", ["payment", "transaction"])
async def test_all_replicas_of_a_service_can_be_killed_at_once(
    stage: Stage, journals: list[Journal], service: str
) -> None:
    restarts = await stage.fleet.restarts()
    async with stage.traffic(*journals) as traffic:
        await traffic.more(10)
        for replica in (0, 1):
            await stage.fleet.signal(f"{service}-{replica}", signal.SIGKILL)
        await traffic.more(20)
    await stage.fleet.recovered(restarts + 1)
    await stage.judge.judge(*journals)


async def test_a_valkey_primary_can_be_killed(stage: Stage, journals: list[Journal]) -> None:
    async with stage.traffic(*journals) as traffic:
        await traffic.more(10)
        await stage.fleet.kill(await _primary(stage.fleet))
        await traffic.more(30)
    await stage.judge.judge(*journals)


async def _primary(fleet: Fleet) -> str:
    processes = (await fleet.status()).processes
    return next(process.name for process in processes if process.role == "cache" and process.detail == "primary")


async def test_the_broker_can_be_killed(stage: Stage, journals: list[Journal]) -> None:
    """It keeps what it has in memory: everything that it lost is published again."""
    async with stage.traffic(*journals) as traffic:
        await traffic.more(30)
        await stage.fleet.kill("broker")
        await traffic.more(30)
    await stage.judge.judge(*journals)


async def test_postgresql_can_be_killed(stage: Stage, journals: list[Journal]) -> None:
    async with stage.traffic(*journals) as traffic:
        await traffic.more(30)
        await stage.fleet.kill("postgres")
        await traffic.more(30)
    await stage.judge.judge(*journals)


async def test_payments_and_onboardings_succeed_while_the_broker_is_down(stage: Stage, journals: list[Journal]) -> None:
    async with stage.traffic(*journals, pause_seconds=0.2) as traffic:
        await traffic.more(10)
        await stage.fleet.stop("broker")
        ends = time.monotonic() + OUTAGE_SECONDS
        before = {journal.slug: len(journal.entries) for journal in journals}
        # No instance gets the event: each learns of the tenant from the registry, at its next heartbeat.
        late = await stage.tenant()
        while time.monotonic() < ends:
            await traffic.more(10)
        during = [entry for journal in journals for entry in journal.entries[before[journal.slug] :]]
        refused = [entry.unanswered for entry in during if entry.unanswered]
        assert not refused, f"{len(refused)} of {len(during)} requests met an error: {refused[:3]}"
        await stage.fleet.start("broker")
        await traffic.more(10)
    await stage.client.pay(late, late.bank, late.customers[0], 100)
    await stage.judge.judge(*journals, late)


@pytest.mark.parametrize("victim", ["payment-0", "transaction-1", "fraud-0", "postgres", "valkey-0"])
async def test_a_frozen_process_harms_nothing_when_it_goes_on(
    stage: Stage, journals: list[Journal], victim: str
) -> None:
    async with stage.traffic(*journals) as traffic:
        await traffic.more(10)
        await stage.fleet.signal(victim, signal.SIGSTOP)
        try:
            await _is_missed(stage.fleet, victim)
            if victim != "postgres":
                await traffic.more(10)
        finally:
            await stage.fleet.signal(victim, signal.SIGCONT)
        await traffic.more(20)
    await stage.judge.judge(*journals)


async def _is_missed(fleet: Fleet, process: str) -> None:
    async def missed() -> bool:
        status = await fleet.status()
        ready = {found.name: found.ready for found in status.processes}
        return status.state is PlatformState.DEGRADED and not ready[process]

    await eventually(missed, f"the supervisor sees that {process} does not answer")
