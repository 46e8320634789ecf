"""The tenant directory: fresh enough, shared look-ups, and no outage of its own."""

import asyncio
from typing import Any

import pytest

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import NotFound
from bezant.foundation.control.database import ControlDatabase, ControlUnavailable
from bezant.foundation.control.directory import Endpoint, TenantDirectory

from .conftest import Clock, Control


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr("bezant.foundation.control.remembered.time", turned)
    return turned


class Counted:
    """A control database whose look-ups are counted, and wait while `gate` is clear."""

    def __init__(self, database: ControlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.read = asyncio.Event()
        original = database.fetch_one

        async def fetch_one(*arguments: Any) -> Any:
            self.count += 1
            row = await original(*arguments)
            self.read.set()
            await self.gate.wait()
            return row

        monkeypatch.setattr(database, "fetch_one", fetch_one)


async def _suspend(control: Control) -> None:
    await control.as_superuser("UPDATE control.tenants SET status = 'suspended'")


async def test_a_tenant_is_found_with_its_database(control: Control) -> None:
    tenant_id = await control.add_tenant(slug="acme")
    directory = TenantDirectory(await control.open())
    record = await directory.get(tenant_id)
    assert (record.slug, record.status, record.rate_limit_per_second) == ("acme", "active", 5000)
    assert (record.writer, record.database_name) == (None, None)
    await control.place(tenant_id)
    record = await directory.refresh(tenant_id)
    assert record.writer == record.reader == Endpoint("127.0.0.1", control.server.port)
    assert record.database_name == f"t{tenant_id.hex}"


async def test_a_change_is_seen_when_the_cache_runs_out(control: Control, clock: Clock) -> None:
    tenant_id = await control.add_tenant()
    directory = TenantDirectory(await control.open(directory_cache_seconds=15))
    await directory.get(tenant_id)
    await _suspend(control)
    clock.now += 14
    assert (await directory.get(tenant_id)).status == "active"
    clock.now += 2
    assert (await directory.get(tenant_id)).status == "suspended"


async def test_a_change_that_an_event_told_is_seen_at_once(control: Control) -> None:
    tenant_id = await control.add_tenant()
    directory = TenantDirectory(await control.open())
    await directory.get(tenant_id)
    await _suspend(control)
    directory.forget(tenant_id)
    assert (await directory.get(tenant_id)).status == "suspended"


async def test_first_requests_at_once_share_one_look_up(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant_id = await control.add_tenant()
    database = await control.open()
    counted, directory = Counted(database, monkeypatch), TenantDirectory(database)
    records = await asyncio.gather(*(directory.get(tenant_id) for _ in range(50)))
    assert len(set(map(id, records))) == 1
    assert counted.count == 1


async def test_a_request_that_is_cancelled_does_not_fail_the_others(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = await control.add_tenant()
    database = await control.open()
    counted, directory = Counted(database, monkeypatch), TenantDirectory(database)
    counted.gate.clear()
    first, second = (asyncio.create_task(directory.get(tenant_id)) for _ in range(2))
    await counted.read.wait()
    first.cancel()
    counted.gate.set()
    assert (await second).id == tenant_id


async def test_a_look_up_that_a_change_overtook_is_not_kept(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant_id = await control.add_tenant()
    database = await control.open()
    counted, directory = Counted(database, monkeypatch), TenantDirectory(database)
    counted.gate.clear()
    overtaken = asyncio.create_task(directory.get(tenant_id))
    await counted.read.wait()
    await _suspend(control)
    refreshing = asyncio.create_task(directory.refresh(tenant_id))
    counted.gate.set()
    assert (await overtaken).status == "active", "it asked before the change"
    assert (await refreshing).status == "suspended"
    assert (await directory.get(tenant_id)).status == "suspended"


async def test_an_unknown_tenant_is_looked_for_each_time(control: Control) -> None:
    directory = TenantDirectory(await control.open())
    tenant_id = new_id()
    with pytest.raises(NotFound):
        await directory.get(tenant_id)
    await control.as_superuser(
        "INSERT INTO control.tenants (id, slug, name, tier, status, default_currency, rate_limit_per_second) "
        "VALUES (%s, 'late', 'Late', 'shared', 'onboarding', 'USD', 1)",
        tenant_id,
    )
    assert (await directory.get(tenant_id)).status == "onboarding"


async def test_a_known_tenant_is_served_through_the_grace_and_no_longer(control: Control, clock: Clock) -> None:
    tenant_id = await control.add_tenant()
    database = await control.open(control_grace_seconds=300)
    directory = TenantDirectory(database)
    await directory.get(tenant_id)
    await database.close()
    clock.now += 329
    assert (await directory.get(tenant_id)).id == tenant_id
    with pytest.raises(ControlUnavailable):
        await directory.get(new_id())
    clock.now += 2
    with pytest.raises(ControlUnavailable):
        await directory.get(tenant_id)


async def test_a_suspended_tenant_is_still_read_while_the_control_database_is_away(control: Control) -> None:
    tenant_id = await control.add_tenant(status="suspended")
    database = await control.open()
    directory = TenantDirectory(database)
    await directory.get(tenant_id)
    await database.close()
    for _ in range(2):
        assert (await directory.latest(tenant_id)).status == "suspended"
    with pytest.raises(ControlUnavailable):
        await directory.refresh(tenant_id)


async def test_what_an_event_has_changed_is_not_served_from_memory(control: Control) -> None:
    tenant_id = await control.add_tenant()
    database = await control.open()
    directory = TenantDirectory(database)
    await directory.get(tenant_id)
    await database.close()
    directory.forget(tenant_id)
    with pytest.raises(ControlUnavailable):
        await directory.get(tenant_id)


async def test_a_control_database_that_hangs_is_not_waited_for_request_by_request(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = await control.add_tenant()
    database = await control.open(directory_cache_seconds=0)
    counted, directory = Counted(database, monkeypatch), TenantDirectory(database)
    await directory.get(tenant_id)
    counted.gate.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await directory.get(tenant_id)).id == tenant_id
    assert database.away_seconds > 0
    assert loop.time() - began < 3, "the first request waits for a moment, and not for the transaction's end"
    monkeypatch.setattr(type(database), "away_seconds", 2.0)
    asked = counted.count
    for _ in range(100):
        await directory.get(tenant_id)
    assert counted.count == asked, "once it is certain, nobody asks on a request's behalf"
    counted.gate.set()


async def test_past_the_revocation_promise_a_slow_answer_is_waited_for(
    control: Control, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second is more than fresh enough answers wait, and less than an old one does."""
    tenant_id = await control.add_tenant()
    database = await control.open(directory_cache_seconds=15)
    counted, directory = Counted(database, monkeypatch), TenantDirectory(database)
    await directory.get(tenant_id)
    await _suspend(control)
    clock.now += 31
    counted.gate.clear()
    asyncio.get_running_loop().call_later(0.5, counted.gate.set)
    assert (await directory.get(tenant_id)).status == "suspended"


async def test_a_page_that_a_change_overtook_is_not_remembered(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, other = await control.add_tenant(), await control.add_tenant()
    for tenant_id in (changed, other):
        await control.place(tenant_id)
    database = await control.open()
    directory = TenantDirectory(database)
    fetch_all = database.fetch_all

    async def overtaken(*arguments: Any) -> Any:
        rows = await fetch_all(*arguments)
        directory.forget(changed)
        return rows

    monkeypatch.setattr(database, "fetch_all", overtaken)
    await directory.learn()
    await database.close()
    assert (await directory.get(other)).id == other
    with pytest.raises(ControlUnavailable):
        await directory.get(changed)
