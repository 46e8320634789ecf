"""Admission: the limit is kept, tenants get their share, and no permit is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.foundation.admission import Admission, ConcurrencyLimit, Permit, Refusal


def _fixed(limit: int, *, queue_part: float = 0.1, seconds: float = 60.0) -> Admission:
    """An admission whose limit does not move, and whose queues nobody leaves by waiting too long."""
    never_moved = ConcurrencyLimit(target_seconds=0.2, smallest=limit, largest=limit, initial=limit)
    return Admission(never_moved, queue_seconds=seconds, patience_seconds=seconds, queue_part=queue_part)


async def _settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@dataclass
class Crowd:
    """Requests of some tenants, as each of them fares."""

    admission: Admission
    waiting: list[tuple[int, int, "asyncio.Task[Permit | Refusal]"]] = field(default_factory=list)
    inside: list[tuple[int, Permit]] = field(default_factory=list)
    refused: list[tuple[int, Refusal]] = field(default_factory=list)

    def used(self, tenant: int) -> int:
        inside = sum(permit.units for who, permit in self.inside if who == tenant)
        return inside + sum(units for who, units, _ in self.waiting if who == tenant)

    def active(self) -> set[int]:
        return {who for who, _ in self.inside} | {who for who, _, _ in self.waiting}

    async def arrive(self, tenant: int, units: int) -> None:
        limit = self.admission.limit
        used, others = self.used(tenant), self.active() | {tenant}
        within = used == 0 or used + units <= max(1, limit // len(others))
        before = len(self.refused)
        self.waiting.append((tenant, units, asyncio.create_task(self.admission.enter(tenant, units))))
        await self.look()
        if within and len(others) <= limit:
            assert tenant not in [who for who, _ in self.refused[before:]], "refused within its share"

    async def look(self) -> None:
        """Note who has been answered since."""
        await _settle()
        for entry in [entry for entry in self.waiting if entry[2].done()]:
            self.waiting.remove(entry)
            outcome = entry[2].result()
            if isinstance(outcome, Permit):
                self.inside.append((entry[0], outcome))
            else:
                self.refused.append((entry[0], outcome))
        assert self.admission.in_flight == sum(permit.units for _, permit in self.inside) <= self.admission.limit
        assert self.admission.waiting == sum(units for _, units, _ in self.waiting)

    async def leave(self, which: int) -> None:
        if self.inside:
            self.inside.pop(which % len(self.inside))[1].release()
            await self.look()

    async def give_up(self, which: int, *, while_served: bool) -> None:
        """Cancel a request that waits, in some cases in the same turn in which it is served."""
        if not self.waiting:
            return
        _, _, task = self.waiting.pop(which % len(self.waiting))
        if while_served and self.inside:
            self.inside.pop(which % len(self.inside))[1].release()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await self.look()


_STEPS = st.one_of(
    st.tuples(st.just("arrive"), st.integers(0, 5), st.sampled_from([1, 1, 1, 1, 2])),
    st.tuples(st.just("leave"), st.integers(0, 50), st.just(0)),
    st.tuples(st.just("give up"), st.integers(0, 50), st.integers(0, 1)),
)


@given(limit=st.integers(1, 12), steps=st.lists(_STEPS, max_size=60), queue_part=st.sampled_from([0.0, 0.1, 1.0]))
def test_the_limit_holds_shares_are_kept_and_no_permit_is_lost(
    limit: int, steps: list[tuple[str, int, int]], queue_part: float
) -> None:
    async def history() -> None:
        crowd = Crowd(_fixed(limit, queue_part=queue_part))
        for what, number, extra in steps:
            if what == "arrive":
                await crowd.arrive(number, min(extra, max(1, limit // 4)))
            elif what == "leave":
                await crowd.leave(number)
            else:
                await crowd.give_up(number, while_served=bool(extra))
        while crowd.inside:
            await crowd.leave(0)
        assert not crowd.waiting, "somebody waits for permits that nobody holds"
        assert (crowd.admission.in_flight, crowd.admission.waiting) == (0, 0)
        permits = [crowd.admission.try_enter(number) for number in range(limit)]
        assert all(isinstance(permit, Permit) for permit in permits)

    asyncio.run(history())


async def test_a_noisy_tenant_costs_the_others_nothing() -> None:
    """A hundred requests of one tenant for each of another: the other gets every permit that it asks for."""
    crowd = Crowd(_fixed(20))
    for _ in range(200):
        await crowd.arrive(1, 1)
    assert crowd.used(1) >= 20
    for _ in range(50):
        if crowd.used(2) < 10:
            await crowd.arrive(2, 1)
        for _ in range(100):
            await crowd.arrive(1, 1)
        await crowd.leave(0)
    assert 2 not in [who for who, _ in crowd.refused]
    # what had been lent has come back, down to one share for each
    assert sum(permit.units for who, permit in crowd.inside if who == 2) >= 9
    for entry in crowd.waiting:
        entry[2].cancel()


async def test_who_came_early_gives_way_once_shares_are_smaller() -> None:
    """Twelve permits: what two tenants may wait for is more than their share once there are four."""
    crowd = Crowd(_fixed(12, queue_part=0.0))
    for tenant, requests in ((1, 12), (2, 6), (3, 4), (4, 3)):
        for _ in range(requests):
            await crowd.arrive(tenant, 1)
    # the one of them that came last
    assert crowd.refused == [(3, Refusal.SHARE)]
    assert [crowd.used(tenant) for tenant in (1, 2, 3, 4)] == [12, 6, 3, 3]
    for entry in crowd.waiting:
        entry[2].cancel()


async def test_who_gives_up_at_the_head_lets_the_others_through() -> None:
    crowd = Crowd(_fixed(8))
    for _ in range(7):
        await crowd.arrive(1, 1)
    await crowd.arrive(2, 2)  # two units do not fit
    await crowd.arrive(3, 1)  # one would, and waits its turn
    assert crowd.used(3) == 1
    assert len(crowd.waiting) == 2
    await crowd.give_up(0, while_served=False)
    assert not crowd.waiting
    assert crowd.admission.in_flight == 8


async def test_a_tenant_alone_may_use_everything_and_is_refused_as_full() -> None:
    admission = _fixed(10, queue_part=0.0)
    permits = [admission.try_enter("alone") for _ in range(10)]
    assert all(isinstance(permit, Permit) for permit in permits)
    assert admission.try_enter("alone") is None  # one may always wait
    waiting = asyncio.create_task(admission.enter("alone"))
    await _settle()
    assert admission.try_enter("alone") is Refusal.FULL
    waiting.cancel()


async def test_who_uses_more_than_its_share_is_told_so() -> None:
    admission = _fixed(10, queue_part=0.0)
    held = [admission.try_enter("noisy") for _ in range(10)]
    waiting = [asyncio.create_task(admission.enter(name)) for name in ("noisy", "quiet")]
    await _settle()
    assert admission.try_enter("noisy") is Refusal.SHARE
    first = held[0]
    assert isinstance(first, Permit)
    first.release()
    assert isinstance(await waiting[1], Permit), "what comes back goes to the one within its share"
    waiting[0].cancel()


async def test_waiting_ends() -> None:
    admission = _fixed(1, seconds=0.01)
    held = admission.try_enter("a")
    assert isinstance(held, Permit)
    assert await admission.enter("a") is Refusal.WAITED
    assert await admission.enter("b") is Refusal.WAITED
    held.release()
    held.release()
    assert (admission.in_flight, admission.waiting) == (0, 0)


def test_a_batch_counts_by_its_size_and_never_for_more_than_a_quarter() -> None:
    admission = _fixed(100)
    assert [admission.units_of(size) for size in (0, 300, 1023, 1024, 5120, 1 << 20)] == [1, 1, 1, 2, 10, 25]


def _limit() -> ConcurrencyLimit:
    return ConcurrencyLimit(target_seconds=0.2, smallest=8, largest=1024, initial=128)


def _under(limit: ConcurrencyLimit, rate: Callable[[int], float], *, since: float, seconds: float) -> float:
    """Let the limit be met for so long by a process that finishes `rate(limit)` units a second."""
    now, finished = since, 0.0
    while now < since + seconds:
        now += 0.01
        limit.met(now)
        finished += rate(limit.value) * 0.01
        limit.finished(int(finished), now)
        finished -= int(finished)
    return now


@given(capacity=st.integers(100, 4000), idle_seconds=st.floats(0.002, 0.05))
def test_the_limit_becomes_what_leaves_within_the_target(capacity: int, idle_seconds: float) -> None:
    """A process that needs some time for each unit and finishes so many a second at most."""
    limit = _limit()

    def rate(in_flight: int) -> float:
        return min(in_flight / idle_seconds, float(capacity))

    _under(limit, rate, since=0.0, seconds=20.0)
    assert limit.value == pytest.approx(min(max(capacity * 0.2, 8), 1024), rel=0.15, abs=2)


def test_the_limit_falls_when_work_stops_leaving_and_is_back_soon_after() -> None:
    limit = _limit()
    now = _under(limit, lambda _: 1000.0, since=0.0, seconds=10.0)
    assert limit.value == pytest.approx(200, abs=20)
    now = _under(limit, lambda _: 0.0, since=now, seconds=10.0)
    assert limit.value == 8
    now = _under(limit, lambda in_flight: min(in_flight / 0.02, 1000.0), since=now, seconds=5.0)
    assert limit.value == pytest.approx(200, abs=20)


def test_the_limit_recovers_when_nobody_meets_it() -> None:
    limit = _limit()
    now = _under(limit, lambda _: 0.0, since=0.0, seconds=10.0)
    assert limit.value == 8
    limit.advance(now + 5.0)
    assert limit.value >= 120


def test_an_idle_process_keeps_its_limit() -> None:
    limit = _limit()
    for second in range(100):
        limit.finished(1, float(second))
    assert limit.value == 128


async def test_a_permit_is_given_back_by_whoever_is_cancelled() -> None:
    admission = _fixed(2)

    async def request(work: Awaitable[None]) -> None:
        permit = await admission.enter("t")
        assert isinstance(permit, Permit)
        try:
            await work
        finally:
            permit.release()

    for _ in range(20):
        tasks = [asyncio.create_task(request(asyncio.sleep(10))) for _ in range(2)]
        await _settle()
        assert admission.in_flight == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert admission.in_flight == 0
