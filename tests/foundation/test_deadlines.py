"""Deadlines: they go along with the work, and what nobody waits for is dropped before it begins."""

import asyncio
import time
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import DeadlinePassed
from bezant.foundation.coalescing import Coalescer
from bezant.foundation.deadlines import current_deadline, deadline, deadline_in, has_passed, remaining_milliseconds

TENANT = new_id()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _drops(place: str) -> float:
    return REGISTRY.get_sample_value("bezant_deadline_drops_total", {"place": place}) or 0.0


def test_what_is_left_of_a_deadline_becomes_one_again_on_the_other_side() -> None:
    assert remaining_milliseconds(None) is None
    assert deadline_in(None) is None
    assert not has_passed(None)
    assert remaining_milliseconds(time.monotonic() - 1) == 0
    assert has_passed(deadline_in(0))
    left = remaining_milliseconds(deadline_in(5000))
    assert left is not None
    assert 4900 <= left <= 5000


async def test_what_nobody_waits_for_any_more_is_dropped_before_its_group_begins() -> None:
    seen: list[list[int]] = []
    gate = asyncio.Event()

    async def handle(_: UUID, items: list[int]) -> list[int]:
        seen.append(items)
        await gate.wait()
        return items

    coalescer: Coalescer[int, int] = Coalescer(handle, stage="dropping", max_in_flight=1)

    async def submit(item: int, until: float | None) -> int:
        with deadline(until):
            return await coalescer.submit(TENANT, item)

    before = _drops("dropping")
    first = asyncio.create_task(submit(1, None))
    await _settle()
    now = time.monotonic()
    late = [asyncio.create_task(submit(item, now)) for item in (2, 3)]
    in_time = asyncio.create_task(submit(4, now + 60))
    await _settle()
    gate.set()
    assert (await first, await in_time) == (1, 4)
    for task in late:
        with pytest.raises(DeadlinePassed):
            await task
    assert seen == [[1], [4]], "dropped work was begun"
    assert _drops("dropping") - before == 2


async def test_a_group_that_began_is_carried_to_its_end() -> None:
    gate = asyncio.Event()

    async def handle(_: UUID, items: list[int]) -> list[int]:
        await gate.wait()
        assert has_passed(current_deadline())
        return items

    coalescer: Coalescer[int, int] = Coalescer(handle, stage="ending")
    with deadline(time.monotonic() + 0.01):
        work = asyncio.create_task(coalescer.submit(TENANT, 1))
    await asyncio.sleep(0.02)
    gate.set()
    assert await work == 1


@pytest.mark.parametrize(("untils", "expected"), [((5.0, 9.0), 9.0), ((5.0, None), None), ((None, None), None)])
async def test_a_group_is_worth_its_work_as_long_as_anybody_waits(
    untils: tuple[float | None, ...], expected: float | None
) -> None:
    now = time.monotonic()
    seen: list[float | None] = []

    async def handle(_: UUID, items: list[int]) -> list[int]:
        seen.append(current_deadline())
        return items

    coalescer: Coalescer[int, int] = Coalescer(handle, stage="longest")

    async def submit(until: float | None) -> int:
        with deadline(None if until is None else now + until):
            return await coalescer.submit(TENANT, 1)

    await asyncio.gather(*(submit(until) for until in untils))
    assert seen == [None if expected is None else now + expected]
