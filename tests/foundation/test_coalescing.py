"""The coalescer: who is in which group, who gets which result."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from bezant.contracts.identifiers import new_id
from bezant.foundation.coalescing import Coalescer

TENANT, OTHER = new_id(), new_id()


@dataclass
class Groups:
    """Records the groups; each waits until it is let go."""

    seen: list[tuple[UUID, list[int]]] = field(default_factory=list)
    gates: list[asyncio.Event] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, tenant_id: UUID, items: list[int]) -> Sequence[str | Exception]:
        gate = asyncio.Event()
        self.seen.append((tenant_id, items))
        self.gates.append(gate)
        self.began.set()
        await gate.wait()
        return [ValueError(f"{item} is bad") if item < 0 else f"did {item}" for item in items]

    async def next(self) -> None:
        await self.began.wait()
        self.began.clear()


async def _settle() -> None:
    """Let everything that can run now run."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def groups() -> Groups:
    return Groups()


def _submit(coalescer: Coalescer[int, str], *items: int, tenant_id: UUID = TENANT) -> list["asyncio.Task[str]"]:
    return [asyncio.create_task(coalescer.submit(tenant_id, item)) for item in items]


async def test_an_item_alone_leaves_at_once_and_the_next_gather_behind_it(groups: Groups) -> None:
    coalescer: Coalescer[int, str] = Coalescer(groups.handle, stage="test", max_in_flight=1)
    first = _submit(coalescer, 1)
    await groups.next()
    later = _submit(coalescer, 2, 3, 4)
    await _settle()
    assert groups.seen == [(TENANT, [1])]
    groups.gates[0].set()
    await groups.next()
    groups.gates[1].set()
    assert await asyncio.gather(*first, *later) == ["did 1", "did 2", "did 3", "did 4"]
    assert groups.seen == [(TENANT, [1]), (TENANT, [2, 3, 4])]


async def test_items_of_one_moment_are_one_group_in_their_order(groups: Groups) -> None:
    coalescer: Coalescer[int, str] = Coalescer(groups.handle, stage="test")
    tasks = _submit(coalescer, *range(100))
    await groups.next()
    groups.gates[0].set()
    assert await asyncio.gather(*tasks) == [f"did {n}" for n in range(100)]
    assert groups.seen == [(TENANT, list(range(100)))]


async def test_no_group_is_larger_and_no_more_are_in_flight_than_allowed(groups: Groups) -> None:
    coalescer: Coalescer[int, str] = Coalescer(groups.handle, stage="test", max_group=20, max_in_flight=2)
    tasks = _submit(coalescer, *range(70))
    await _settle()
    assert [items for _, items in groups.seen] == [list(range(20)), list(range(20, 40))]
    groups.gates[0].set()
    await _settle()
    assert [items for _, items in groups.seen][2:] == [list(range(40, 60))]
    groups.began.clear()
    for gate in groups.gates:
        gate.set()
    await groups.next()
    groups.gates[3].set()
    assert await asyncio.gather(*tasks) == [f"did {n}" for n in range(70)]
    assert [len(items) for _, items in groups.seen] == [20, 20, 20, 10]


async def test_one_items_exception_is_its_own(groups: Groups) -> None:
    coalescer: Coalescer[int, str] = Coalescer(groups.handle, stage="test")
    tasks = _submit(coalescer, 1, -2, 3)
    await groups.next()
    groups.gates[0].set()
    one, two, three = await asyncio.gather(*tasks, return_exceptions=True)
    assert (one, three) == ("did 1", "did 3")
    assert isinstance(two, ValueError)


@pytest.mark.parametrize("results", [RuntimeError("the database is away"), ["one too few"]])
async def test_a_group_that_fails_as_a_whole_fails_every_item_and_not_the_next_group(
    results: Exception | list[str],
) -> None:
    answers: list[Exception | list[str]] = [results, ["did 3"]]

    async def handle(_: UUID, __: list[int]) -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    coalescer: Coalescer[int, str] = Coalescer(handle, stage="test")
    failed = await asyncio.gather(*_submit(coalescer, 1, 2), return_exceptions=True)
    assert [type(error) for error in failed] == [RuntimeError, RuntimeError]
    assert await asyncio.gather(*_submit(coalescer, 3)) == ["did 3"]


async def test_a_waiter_that_goes_away_neither_stops_the_group_nor_its_neighbours(groups: Groups) -> None:
    coalescer: Coalescer[int, str] = Coalescer(groups.handle, stage="test")
    gone, stays = _submit(coalescer, 1, 2)
    await groups.next()
    gone.cancel()
    await _settle()
    assert gone.cancelled()
    groups.gates[0].set()
    assert await stays == "did 2"
    assert groups.seen == [(TENANT, [1, 2])], "what was taken in hand is done, whoever listens"


async def test_tenants_never_share_a_group_and_do_not_wait_for_each_other(groups: Groups) -> None:
    coalescer: Coalescer[int, str] = Coalescer(groups.handle, stage="test", max_in_flight=1)
    mine, theirs = _submit(coalescer, 1, 2), _submit(coalescer, 3, tenant_id=OTHER)
    await _settle()
    assert groups.seen == [(TENANT, [1, 2]), (OTHER, [3])]
    groups.gates[1].set()
    assert await theirs[0] == "did 3"
    assert not mine[0].done()
    groups.gates[0].set()
    assert await asyncio.gather(*mine) == ["did 1", "did 2"]


async def test_nothing_is_kept_of_a_tenant_that_is_idle(groups: Groups) -> None:
    coalescer: Coalescer[int, str] = Coalescer(groups.handle, stage="test")
    tasks = _submit(coalescer, 1)
    await groups.next()
    groups.gates[0].set()
    await asyncio.gather(*tasks)
    await _settle()
    assert not coalescer._queues
    assert not coalescer._in_flight


async def test_drain_waits_for_all_that_was_submitted(groups: Groups) -> None:
    coalescer: Coalescer[int, str] = Coalescer(groups.handle, stage="test", max_in_flight=1)
    tasks = _submit(coalescer, 1)
    await groups.next()
    tasks += _submit(coalescer, 2)
    draining = asyncio.create_task(coalescer.drain())
    await _settle()
    assert not draining.done()
    groups.gates[0].set()
    await groups.next()
    assert not draining.done()
    groups.gates[1].set()
    await draining
    assert [task.result() for task in tasks] == ["did 1", "did 2"]
