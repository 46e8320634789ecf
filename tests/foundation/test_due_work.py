"""Due work on a real control database: found by one replica, again after a crash, never lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import NotFound, TenantNotActive, TenantUnavailable
from bezant.foundation.control.database import ControlUnavailable
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.due_work import GUARD_SECONDS, DueWork

from ..stores.fixtures import eventually
from .conftest import Control

NOW = timedelta(0)


def _in(delay: timedelta) -> datetime:
    return datetime.now(UTC) + delay


@dataclass
class Handler:
    """Notes each call; `then` is what the call does and returns."""

    calls: list[UUID] = field(default_factory=list)
    then: Callable[[UUID], Awaitable[datetime | None]] | None = None

    async def __call__(self, tenant_id: UUID) -> datetime | None:
        self.calls.append(tenant_id)
        return await self.then(tenant_id) if self.then is not None else None


async def _replica(control: Control, handler: Handler) -> DueWork:
    database = await control.open(due_work_poll_seconds=0.02, full_sweep_seconds=3600)
    work = DueWork(database, TenantDirectory(database))
    work.register({"kind": handler})
    return work


@asynccontextmanager
async def running(*replicas: DueWork) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(replica.run()) for replica in replicas]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for replica in replicas:
            await replica.close()


async def _hints(control: Control) -> list[tuple[UUID, float]]:
    """Return (tenant, seconds until due) of every hint."""
    rows = await control.as_superuser(
        "SELECT tenant_id, extract(epoch FROM due_at - clock_timestamp()) FROM control.due_work ORDER BY due_at"
    )
    return [(row[0], float(row[1])) for row in rows]


async def _gone(control: Control) -> bool:
    return not await _hints(control)


async def test_what_is_due_is_done_once_by_one_of_the_replicas(control: Control) -> None:
    handler = Handler()
    replicas = [await _replica(control, handler) for _ in range(3)]
    tenants = {new_id() for _ in range(30)}
    for tenant_id in tenants:
        await replicas[0].schedule(tenant_id, "kind", _in(NOW))
    async with running(*replicas):
        await eventually(lambda: _gone(control))
    assert sorted(handler.calls) == sorted(tenants)


async def test_what_is_not_due_waits_and_the_earliest_time_counts(control: Control) -> None:
    handler, tenant_id = Handler(), new_id()
    work = await _replica(control, handler)
    for minutes in (30, 10, 20):
        await work.schedule(tenant_id, "kind", _in(timedelta(minutes=minutes)))
    ((_, seconds),) = await _hints(control)
    assert 590 < seconds <= 600
    due_first = new_id()
    await work.schedule(due_first, "kind", _in(NOW))
    async with running(work):

        async def first_done() -> bool:
            return len(await _hints(control)) == 1

        await eventually(first_done)
    assert handler.calls == [due_first]


async def test_more_to_come_is_due_when_the_handler_says(control: Control) -> None:
    async def then(_: UUID) -> datetime:
        return _in(timedelta(hours=1))

    handler = Handler(then=then)
    work = await _replica(control, handler)
    await work.schedule(new_id(), "kind", _in(NOW))
    async with running(work):

        async def postponed() -> bool:
            return [seconds > 3500 for _, seconds in await _hints(control)] == [True]

        await eventually(postponed)
    assert len(handler.calls) == 1


async def test_work_whose_replica_died_is_done_by_another_after_the_lease(control: Control) -> None:
    began, tenant_id = asyncio.Event(), new_id()

    async def hangs(_: UUID) -> None:
        began.set()
        await asyncio.Event().wait()

    dying, other = Handler(then=hangs), Handler()
    dies, lives = await _replica(control, dying), await _replica(control, other)
    await dies.schedule(tenant_id, "kind", _in(NOW))
    dead = asyncio.create_task(dies.run())
    await began.wait()
    dead.cancel()
    for task in dies._running:
        task.cancel()
    ((_, seconds),) = await _hints(control)
    assert 20 < seconds <= 30, "claimed: nobody else looks at it while the lease runs"
    await control.as_superuser("UPDATE control.due_work SET due_at = clock_timestamp()")
    async with running(lives):
        await eventually(lambda: _gone(control))
    assert other.calls == [tenant_id]


@pytest.mark.parametrize("delay", [NOW, timedelta(seconds=5), timedelta(minutes=5), timedelta(days=7)])
@pytest.mark.parametrize("following", [None, timedelta(days=30)])
async def test_what_is_scheduled_while_the_handler_works_is_not_lost(
    control: Control, delay: timedelta, following: timedelta | None
) -> None:
    tenant_id, rounds = new_id(), 0
    work: DueWork

    async def then(_: UUID) -> datetime | None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            # The handler has looked, and then somebody makes more work for later.
            await work.schedule(tenant_id, "kind", _in(delay))
        return None if following is None else _in(following)

    handler = Handler(then=then)
    work = await _replica(control, handler)
    await work.schedule(tenant_id, "kind", _in(NOW))
    async with running(work):

        async def looked() -> bool:
            return len(handler.calls) == (2 if delay == NOW else 1)

        await eventually(looked)
    if delay != NOW:
        ((_, seconds),) = await _hints(control)
        assert seconds <= max(30, delay.total_seconds())


@pytest.mark.parametrize("error", [TenantUnavailable("down"), KeyError("a defect")])
async def test_a_handler_that_fails_is_called_again_in_a_moment(control: Control, error: Exception) -> None:
    async def then(_: UUID) -> None:
        raise error

    handler = Handler(then=then)
    work = await _replica(control, handler)
    await work.schedule(new_id(), "kind", _in(NOW))
    async with running(work):

        async def put_off() -> bool:
            return [0 < seconds <= 2 for _, seconds in await _hints(control)] == [True]

        await eventually(put_off)


@pytest.mark.parametrize("gone", [NotFound("no such tenant"), TenantNotActive("closed")])
async def test_work_of_a_tenant_that_is_gone_is_forgotten(control: Control, gone: Exception) -> None:
    async def then(_: UUID) -> None:
        raise gone

    work = await _replica(control, Handler(then=then))
    await work.schedule(new_id(), "kind", _in(NOW))
    async with running(work):
        await eventually(lambda: _gone(control))


async def test_services_do_not_see_each_others_work(control: Control) -> None:
    handler, tenant_id = Handler(), new_id()
    work = await _replica(control, handler)
    audit = await control.open("audit")
    await DueWork(audit, TenantDirectory(audit)).schedule(tenant_id, "kind", _in(NOW))
    mine = new_id()
    await work.schedule(mine, "kind", _in(NOW))
    async with running(work):

        async def mine_done() -> bool:
            return [tenant for tenant, _ in await _hints(control)] == [tenant_id]

        await eventually(mine_done)
    assert handler.calls == [mine]


async def test_a_guard_leaves_one_hint_in_a_while_that_outlives_the_work_behind_it(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = await _replica(control, Handler())
    tenant_id = new_id()
    await work.guard(tenant_id, "kind")
    ((_, seconds),) = await _hints(control)
    assert GUARD_SECONDS - 1 < seconds <= GUARD_SECONDS
    await control.as_superuser("DELETE FROM control.due_work")
    await work.guard(tenant_id, "kind")
    assert await _gone(control), "the first one still covers this moment"
    work._guarded_until.clear()
    await work.guard(tenant_id, "kind")
    await work.guard(new_id(), "kind")
    assert len(await _hints(control)) == 2


async def test_a_guard_without_the_control_database_holds_nobody_up(control: Control) -> None:
    work = await _replica(control, Handler())
    await control.opened[-1].close()
    await work.guard(new_id(), "kind")


async def test_the_sweep_visits_every_tenant_with_a_database(control: Control) -> None:
    work = await _replica(control, Handler())
    placed = []
    for status in ("active", "suspended", "closing", "onboarding", "closed", "failed"):
        tenant_id = await control.add_tenant(status=status)
        await control.place(tenant_id)
        placed.append(tenant_id)
    await control.add_tenant()
    sweeping = asyncio.create_task(work.sweep())

    async def visited() -> bool:
        return len(await _hints(control)) == 3

    await eventually(visited)
    sweeping.cancel()
    assert {tenant_id for tenant_id, _ in await _hints(control)} == set(placed[:3])


async def test_a_hint_that_could_not_be_written_is_written_when_the_control_database_is_back(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Handler()
    database = await control.open(due_work_poll_seconds=0.02, full_sweep_seconds=3600)
    work = DueWork(database, TenantDirectory(database))
    work.register({"kind": handler})
    execute = database.execute

    async def away(*_: Any) -> int:
        raise ControlUnavailable("away")

    monkeypatch.setattr(database, "execute", away)
    guarded, scheduled = new_id(), new_id()
    await work.guard(guarded, "kind", within_seconds=0)
    with pytest.raises(ControlUnavailable):
        await work.schedule(scheduled, "kind", _in(NOW))
    assert await _gone(control)
    monkeypatch.setattr(database, "execute", execute)

    async def both() -> bool:
        return set(handler.calls) == {guarded, scheduled}

    async with running(work):
        await eventually(both)


async def test_a_request_does_not_wait_for_its_hint_while_the_control_database_hangs(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await control.open(due_work_poll_seconds=0.02, full_sweep_seconds=3600)
    work = DueWork(database, TenantDirectory(database))
    gate = asyncio.Event()
    execute = database.execute

    async def hanging(*arguments: Any) -> int:
        await gate.wait()
        return await execute(*arguments)

    monkeypatch.setattr(database, "execute", hanging)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for tenant_id in (new_id(), new_id(), new_id()):
        await work.guard(tenant_id, "kind")
    assert loop.time() - began < 3, "the first waits a second, the others hardly"
    assert database.away_seconds > 0
    gate.set()
    await work.close()
    assert len(await _hints(control)) == 3, "what was late is written all the same"
