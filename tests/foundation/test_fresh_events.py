"""Events that open an aggregate go out from memory: without reading the outbox, in order, and found after a crash."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from bezant.contracts.events import PAYMENT_EVENTS, Event, decode_event
from bezant.contracts.identifiers import new_id
from bezant.foundation.events import fresh, relay
from bezant.foundation.events.producer import BrokerUnavailable
from bezant.foundation.events.relay import Relay
from bezant.foundation.settings import Settings
from bezant.foundation.tenancy import TenantDatabases

from ..stores.fixtures import Stores, eventually


@dataclass
class Broker:
    """Has messages in the order in which they were queued, and confirms them while `confirms` is set."""

    queued: list[tuple[str, int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    confirms: asyncio.Event = field(default_factory=asyncio.Event)
    reachable: bool = True
    fails: bool = False

    def produce(self, messages: Sequence[tuple[str, str, str | bytes]]) -> Awaitable[int]:
        for topic, _, envelope in messages:
            event = decode_event(topic, envelope.encode() if isinstance(envelope, str) else envelope)
            self.queued.append((event.subject, event.data["number"]))
        self.batches.append(len(messages))
        return self._confirmed()

    async def publish(self, messages: Sequence[tuple[str, str, str | bytes]]) -> int:
        return await self.produce(messages)

    async def _confirmed(self) -> int:
        await self.confirms.wait()
        if self.fails:
            raise BrokerUnavailable("not confirmed")
        return len(self.queued)


@dataclass
class Process:
    """One process's relay and databases."""

    relay: Relay
    databases: TenantDatabases
    generation: int = 0

    async def emit(self, tenant: UUID, subject: str, number: int, *, opens: bool) -> None:
        async with self.databases.transaction(tenant) as tx:
            tx.emit(Event("payment.test", PAYMENT_EVENTS, subject, {"number": number}, "test", opens=opens))


def _process(stores: Stores, broker: Broker) -> Process:
    process: Process = Process(None, None)  # type: ignore[arg-type]

    async def no_hint(_: UUID) -> None:
        """No other process looks."""

    process.databases = TenantDatabases(
        service="payment", directory=stores.directory, secrets=stores.secrets,  # type: ignore[arg-type]
        settings=Settings(instance_id=f"fresh-{new_id()}"), before_events=no_hint,
        on_commit=lambda tenant_id, rows: process.relay.committed(tenant_id, rows),  # noqa: PLW0108
    )  # fmt: skip

    @asynccontextmanager
    async def transaction(tenant_id: UUID) -> AsyncIterator[AsyncConnection[Any]]:
        async with process.databases.transaction(tenant_id) as tx:
            yield tx.connection

    process.relay = Relay(
        schema="payment", transaction=transaction, producer=broker, generation=lambda: process.generation,  # type: ignore[arg-type]
        service="payment", retention_hours=72,
    )  # fmt: skip
    return process


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def process(stores: Stores, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Process]:
    monkeypatch.setattr(fresh, "MARK_SECONDS", 0.05)
    made = _process(stores, broker)
    yield made
    broker.confirms.set()
    await made.relay.close()
    await made.databases.close()


async def _unpublished(stores: Stores, tenant: UUID) -> int:
    rows = await stores.as_superuser(tenant, "SELECT count(*) FROM payment.outbox WHERE published_at IS NULL")
    return int(rows[0][0])


async def test_first_events_of_many_tenants_go_out_together_and_are_marked_later(
    stores: Stores, process: Process, broker: Broker
) -> None:
    tenants = [await stores.new_tenant() for _ in range(5)]
    await process.emit(tenants[0], "first", 0, opens=True)
    await eventually(lambda: _true(len(broker.queued) == 1))
    for number, tenant in enumerate(tenants, 1):
        await process.emit(tenant, str(number), number, opens=True)
    await eventually(lambda: _true(len(broker.queued) == 6))
    assert len(broker.batches) < 6, "those of several tenants in one batch"
    assert [await _unpublished(stores, tenant) for tenant in tenants] == [2, 1, 1, 1, 1], "not confirmed yet"
    broker.confirms.set()

    async def all_marked() -> bool:
        return not any([await _unpublished(stores, tenant) for tenant in tenants])

    await eventually(all_marked)
    assert await process.relay.drain(tenants[0]) == 0


async def _true(value: bool) -> bool:
    return value


async def test_what_follows_in_its_aggregate_goes_behind_what_waits_in_memory(
    stores: Stores, tenant: UUID, process: Process, broker: Broker
) -> None:
    broker.confirms.set()
    await process.emit(tenant, "quiet", 0, opens=True)
    await process.emit(tenant, "a", 1, opens=True)
    await process.emit(tenant, "a", 2, opens=False)
    await eventually(lambda: _true(("a", 2) in broker.queued))
    assert broker.queued == [("quiet", 0), ("a", 1), ("a", 2)], "in order, and each once"


async def test_a_transaction_with_a_later_event_is_read_from_the_outbox(
    stores: Stores, tenant: UUID, process: Process, broker: Broker
) -> None:
    broker.confirms.set()
    async with process.databases.transaction(tenant) as tx:
        tx.emit(Event("payment.test", PAYMENT_EVENTS, "a", {"number": 1}, "test", opens=True))
        tx.emit(Event("payment.test", PAYMENT_EVENTS, "b", {"number": 2}, "test"))
    await eventually(lambda: _true(len(broker.queued) == 2))
    assert broker.queued == [("a", 1), ("b", 2)]


async def test_what_the_broker_does_not_confirm_is_published_from_the_outbox(
    stores: Stores, tenant: UUID, process: Process, broker: Broker
) -> None:
    broker.fails = True
    broker.confirms.set()
    await process.emit(tenant, "a", 1, opens=True)
    await eventually(lambda: _true(bool(process.relay._failures)))
    broker.fails = False

    async def marked() -> bool:
        return await _unpublished(stores, tenant) == 0

    await eventually(marked)
    assert set(broker.queued) == {("a", 1)}


async def test_while_the_broker_is_away_events_stay_in_the_outbox(
    stores: Stores, tenant: UUID, process: Process, broker: Broker
) -> None:
    broker.reachable = False
    broker.confirms.set()
    await process.emit(tenant, "a", 1, opens=True)
    await eventually(lambda: _true(bool(process.relay._failures)))
    assert broker.queued == []
    broker.reachable = True
    await eventually(lambda: _true(broker.queued == [("a", 1)]))


async def test_another_process_publishes_what_a_crash_left_once_it_is_old_enough(
    stores: Stores, tenant: UUID, process: Process, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.confirms.set()
    async with stores.databases("payment").transaction(tenant) as tx:  # whose relay is gone
        tx.emit(Event("payment.test", PAYMENT_EVENTS, "a", {"number": 1}, "test", opens=True))
    due = await process.relay.drain_when_due(tenant)
    assert due is not None
    assert broker.queued == [], "so young a row may be in another process's memory"
    monkeypatch.setattr(relay, "_LEFT_SECONDS", 0.0)
    await process.relay.drain_when_due(tenant)
    assert broker.queued == [("a", 1)]
    assert await _unpublished(stores, tenant) == 0


async def test_rows_that_an_emptied_broker_had_are_not_marked_but_published_again(
    stores: Stores, tenant: UUID, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh, "MARK_SECONDS", 3600.0)
    process = _process(stores, broker)
    broker.confirms.set()
    await process.emit(tenant, "a", 1, opens=True)
    await eventually(lambda: _true(broker.queued == [("a", 1)]))
    await eventually(lambda: _true(not process.relay._fresh._under_way))
    process.generation = 1
    broker.queued.clear()
    await process.relay.drain(tenant)
    assert broker.queued == [("a", 1)]
    assert await _unpublished(stores, tenant) == 0
    await process.relay.close()
    await process.databases.close()


async def test_a_mark_for_an_older_generation_marks_nothing(
    stores: Stores, tenant: UUID, process: Process, broker: Broker
) -> None:
    async with stores.databases("payment").transaction(tenant) as tx:
        tx.emit(Event("payment.test", PAYMENT_EVENTS, "a", {"number": 1}, "test", opens=True))
    ((n,),) = await stores.as_superuser(tenant, "SELECT n FROM payment.outbox")
    await stores.as_superuser(tenant, "UPDATE payment.relay_state SET broker_generation = 1")
    assert await process.relay._mark_published(tenant, [n], 0)
    assert await _unpublished(stores, tenant) == 1


async def test_a_process_that_stops_has_published_and_marked_everything(
    stores: Stores, tenant: UUID, broker: Broker
) -> None:
    process = _process(stores, broker)
    broker.confirms.set()
    for number in range(20):
        await process.emit(tenant, str(number), number, opens=True)
    await process.relay.close()
    assert sorted(number for _, number in broker.queued) == list(range(20))
    assert await _unpublished(stores, tenant) == 0
    await process.databases.close()
