"""The fleet of a rehearsal without its processes: its replicas' numbers, and a start that is called off."""

import asyncio
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from bezant.local.errors import InvalidOptions, StartFailed
from bezant.local.plan import AddedReplica
from bezant.local.ports import MAX_REPLICAS
from bezant.rehearsal.fleet import Fleet, _start
from bezant.rehearsal.versions import Version

VERSION = Version("next", Path("python"), "current", needs_migration=False)


class _Platform:
    def __init__(self) -> None:
        self.options = self
        self.running: set[str] = {f"payment-{number}" for number in range(6)}

    def replica_count(self, _service: str) -> int:
        return 6

    def changes(self) -> list[Any]:
        return []

    def add_replica(self, replica: AddedReplica) -> None:
        assert replica.name not in self.running
        assert replica.replica < MAX_REPLICAS, "there is no port for more"
        self.running.add(replica.name)

    def remove_replica(self, name: str) -> None:
        self.running.remove(name)


async def test_twenty_canaries_one_after_another_find_numbers_for_their_replicas() -> None:
    platform = _Platform()
    fleet = Fleet(cast(Any, platform), "payment", "now", [], "key")
    fleet.begin()
    for _ in range(20):
        names = [await fleet.add(VERSION) for _ in range(6)]
        for name in names:
            await fleet.remove(name)
    assert platform.running == {f"payment-{number}" for number in range(6)}
    for _ in range(MAX_REPLICAS - 6):
        await fleet.add(VERSION)
    with pytest.raises(InvalidOptions):
        await fleet.add(VERSION)


class _Starting:
    """A platform that starts until it is told to give up."""

    def __init__(self, *, comes_up: bool) -> None:
        self.begun, self.given_up = threading.Event(), threading.Event()
        self.did: list[str] = []
        self._comes_up = comes_up

    def start(self) -> "_Starting":
        self.begun.set()
        assert self.given_up.wait(5)
        if not self._comes_up:
            raise StartFailed("stopped while it was starting")
        return self

    def give_up(self) -> None:
        self.did.append("give up")
        self.given_up.set()

    def stop(self) -> None:
        self.did.append("stop")


@pytest.mark.parametrize(("comes_up", "did"), [(False, ["give up"]), (True, ["give up", "stop"])])
async def test_a_start_that_is_called_off_leaves_nothing_running(comes_up: bool, did: list[str]) -> None:
    platform = _Starting(comes_up=comes_up)
    task = asyncio.create_task(_start(cast(Any, platform)))
    await asyncio.to_thread(platform.begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert platform.did == did
