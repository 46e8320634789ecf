"""A replica's place in the fleet: ready for as long as it can serve."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.membership import Membership

from ..stores.fixtures import eventually
from .conftest import Clock, Control


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clock]:
    turned = Clock()
    monkeypatch.setattr("bezant.foundation.membership.time", turned)
    yield turned


async def test_a_replica_is_ready_once_it_has_joined(control: Control) -> None:
    database = await control.open()
    membership = Membership(database, TenantDirectory(database), None)
    assert not membership.can_serve
    await membership.join()
    assert membership.can_serve


async def test_a_lease_that_is_not_renewed_keeps_a_replica_ready_until_it_knows_nothing_any_more(
    control: Control, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await control.open(heartbeat_seconds=0.01, control_grace_seconds=300)
    membership = Membership(database, TenantDirectory(database), None)
    await membership.join()
    await database.close()
    missed = asyncio.Event()
    monkeypatch.setattr("bezant.foundation.membership._log.warning", lambda *_: missed.set())
    beating = asyncio.create_task(membership.run())
    await missed.wait()
    clock.now += 329
    assert membership.can_serve
    clock.now += 2
    assert not membership.can_serve
    beating.cancel()


async def test_a_heartbeat_that_comes_through_again_makes_it_ready_again(control: Control, clock: Clock) -> None:
    database = await control.open(heartbeat_seconds=0.01)
    membership = Membership(database, TenantDirectory(database), None)
    await membership.join()
    clock.now += 10_000
    assert not membership.can_serve

    async def serves() -> bool:
        return membership.can_serve

    beating = asyncio.create_task(membership.run())
    try:
        await eventually(serves)
    finally:
        beating.cancel()
