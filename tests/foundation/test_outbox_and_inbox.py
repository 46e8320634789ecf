"""State and event together or not at all; each event published in order, and taking effect once."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from bezant.contracts.events import PAYMENT_EVENTS, Event, ReceivedEvent, decode_event
from bezant.contracts.identifiers import new_id
from bezant.foundation.events import claim_new
from bezant.foundation.events.producer import BrokerUnavailable
from bezant.foundation.events.relay import Relay
from bezant.foundation.tenancy import TenantDatabases

from ..stores.fixtures import Stores, eventually


@dataclass
class Broker:
    """Takes messages as the producer gives them; a test may let it fail before or after it has them."""

    messages: list[tuple[str, str, str]] = field(default_factory=list)
    reachable: bool = True
    dies_after_taking: int = 0

    async def publish(self, messages: Sequence[tuple[str, str, str]]) -> int:
        await asyncio.sleep(0)
        self.messages.extend(messages)
        if self.dies_after_taking:
            self.dies_after_taking -= 1
            raise ConnectionResetError("the process dies here")
        return len(self.messages)

    def numbers(self) -> dict[str, list[int]]:
        """The published numbers of each aggregate, in order."""
        found: dict[str, list[int]] = defaultdict(list)
        for topic, key, envelope in self.messages:
            event = decode_event(topic, envelope.encode())
            assert key == f"{event.tenant_id}/{event.subject}"
            found[event.subject].append(event.data["number"])
        return found


@dataclass
class Replica:
    """A relay with the generation that its process believes in."""

    relay: Relay
    generation: int = 0


def _replica(databases: TenantDatabases, broker: Broker) -> Replica:
    @asynccontextmanager
    async def transaction(tenant_id: UUID) -> AsyncIterator[AsyncConnection[Any]]:
        async with databases.transaction(tenant_id) as tx:
            yield tx.connection

    replica: Replica = Replica(None)  # type: ignore[arg-type]
    replica.relay = Relay(
        schema="payment",
        transaction=transaction,
        producer=broker,  # type: ignore[arg-type]
        generation=lambda: replica.generation,
        service="payment",
        retention_hours=72,
    )
    return replica


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def replica(stores: Stores, broker: Broker) -> AsyncIterator[Replica]:
    made = _replica(stores.databases("payment"), broker)
    yield made
    await made.relay.close()


def _event(aggregate: str, number: int) -> Event:
    return Event("payment.test", PAYMENT_EVENTS, aggregate, {"number": number}, "test")


async def _emit(stores: Stores, tenant: UUID, aggregate: str, *numbers: int) -> None:
    async with stores.databases("payment").transaction(tenant) as tx:
        for number in numbers:
            tx.emit(_event(aggregate, number))


async def _unpublished(stores: Stores, tenant: UUID) -> int:
    rows = await stores.as_superuser(tenant, "SELECT count(*) FROM payment.outbox WHERE published_at IS NULL")
    return int(rows[0][0])


async def test_a_rolled_back_transaction_leaves_no_event_and_wakes_nobody(stores: Stores, tenant: UUID) -> None:
    with pytest.raises(ConnectionResetError):
        async with stores.databases("payment").transaction(tenant) as tx:
            tx.emit(_event("a", 1))
            raise ConnectionResetError
    assert await _unpublished(stores, tenant) == 0
    assert stores.committed == []
    await _emit(stores, tenant, "a", 2)
    assert stores.committed == [tenant]
    async with stores.databases("payment").transaction(tenant) as tx:
        await tx.execute("SELECT 1")
    assert stores.committed == [tenant], "a transaction without events wakes nobody"


async def test_the_hint_is_left_before_events_are_committed(stores: Stores, tenant: UUID) -> None:
    databases = stores.databases("payment")

    async def hint(tenant_id: UUID) -> None:
        assert tenant_id == tenant
        raise ConnectionResetError("the process dies at the hint")

    databases._before_events = hint
    with pytest.raises(ConnectionResetError):
        await _emit(stores, tenant, "a", 1)
    assert await _unpublished(stores, tenant) == 0


async def test_events_are_published_in_order_and_once(
    stores: Stores, tenant: UUID, replica: Replica, broker: Broker
) -> None:
    await _emit(stores, tenant, "a", 1, 2, 3)
    await _emit(stores, tenant, "a", 4)
    assert await replica.relay.drain(tenant) == 4
    assert await replica.relay.drain(tenant) == 0
    assert broker.numbers() == {"a": [1, 2, 3, 4]}


async def test_more_than_a_batch_is_drained_in_order(
    stores: Stores, tenant: UUID, replica: Replica, broker: Broker
) -> None:
    await _emit(stores, tenant, "a", *range(1203))
    assert await replica.relay.drain(tenant) == 1203
    assert broker.numbers() == {"a": list(range(1203))}


async def test_each_aggregate_stays_in_order_under_concurrent_transactions_and_two_relays(
    stores: Stores, tenant: UUID, broker: Broker
) -> None:
    databases = stores.databases("payment")
    replicas = [_replica(databases, broker) for _ in range(2)]
    counters: dict[str, int] = defaultdict(int)

    async def work(aggregate: str, rounds: int) -> None:
        for _ in range(rounds):
            async with databases.transaction(tenant) as tx:
                # as a service locks the aggregate that it changes
                await tx.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (aggregate,))
                counters[aggregate] += 1
                tx.emit(_event(aggregate, counters[aggregate]))
            for replica in replicas:
                replica.relay.wake(tenant)

    await asyncio.gather(*(work(aggregate, 20) for aggregate in "abcd" for _ in range(3)))

    async def all_published() -> bool:
        return await _unpublished(stores, tenant) == 0

    await eventually(all_published)
    for replica in replicas:
        await replica.relay.close()
    assert broker.numbers() == {aggregate: list(range(1, 61)) for aggregate in "abcd"}


async def test_a_crash_between_publishing_and_marking_publishes_again_in_order(
    stores: Stores, tenant: UUID, replica: Replica, broker: Broker
) -> None:
    await _emit(stores, tenant, "a", 1, 2, 3)
    broker.dies_after_taking = 1
    with pytest.raises(ConnectionResetError):
        await replica.relay.drain(tenant)
    assert await _unpublished(stores, tenant) == 3
    await _emit(stores, tenant, "a", 4)
    await replica.relay.drain(tenant)
    assert broker.numbers() == {"a": [1, 2, 3, 1, 2, 3, 4]}
    ids = [decode_event(topic, envelope.encode()).id for topic, _, envelope in broker.messages]
    assert ids[:3] == ids[3:6], "the same events, by which consumers know them"


async def test_a_new_generation_of_the_broker_gets_everything_that_is_kept(
    stores: Stores, tenant: UUID, broker: Broker
) -> None:
    databases = stores.databases("payment")
    one, other = (_replica(databases, broker) for _ in range(2))
    await _emit(stores, tenant, "a", 1, 2)
    await one.relay.drain(tenant)
    broker.messages.clear()
    one.generation = other.generation = 1
    await _emit(stores, tenant, "a", 3)
    await one.relay.drain(tenant)
    assert broker.numbers() == {"a": [1, 2, 3]}
    await other.relay.drain(tenant)
    assert broker.numbers() == {"a": [1, 2, 3]}, "once for a generation, whichever replica begins"
    other.generation = 0
    await other.relay.drain(tenant)
    assert broker.numbers() == {"a": [1, 2, 3]}, "a process that has not heard of it does not begin anew"


async def test_published_events_are_kept_for_the_window_and_then_forgotten(
    stores: Stores, tenant: UUID, replica: Replica
) -> None:
    await _emit(stores, tenant, "a", 1, 2)
    await replica.relay.drain(tenant)
    await stores.as_superuser(
        tenant,
        "UPDATE payment.outbox SET created_at = now() - interval '73 h', published_at = now() - interval '73 h' "
        "WHERE n = (SELECT min(n) FROM payment.outbox)",
    )
    following = await replica.relay.drain_when_due(tenant)
    assert following is not None, "looked at again while events are young: their process may still be at work"
    assert await stores.as_superuser(tenant, "SELECT count(*) FROM payment.outbox") == [(1,)]
    await stores.as_superuser(tenant, "UPDATE payment.outbox SET created_at = now() - interval '1 h'")
    assert await replica.relay.drain_when_due(tenant) is None
    assert await stores.as_superuser(tenant, "SELECT count(*) FROM payment.outbox") == [(1,)]


async def test_events_wait_for_a_broker_that_is_away_and_go_by_themselves(
    stores: Stores, tenant: UUID, replica: Replica, broker: Broker
) -> None:
    broker.reachable = False
    await _emit(stores, tenant, "a", 1)
    with pytest.raises(BrokerUnavailable):
        await replica.relay.drain(tenant)
    replica.relay.wake(tenant)

    async def has_failed() -> bool:
        return bool(replica.relay._failures)

    await eventually(has_failed)
    broker.reachable = True

    async def published() -> bool:
        return broker.numbers() == {"a": [1]}

    await eventually(published)


async def test_more_tenants_than_are_relayed_at_once_all_get_their_turn(
    stores: Stores, replica: Replica, broker: Broker
) -> None:
    tenants = [await stores.new_tenant() for _ in range(11)]
    for number, tenant_id in enumerate(tenants):
        await _emit(stores, tenant_id, str(tenant_id), number)
    for tenant_id in tenants:
        replica.relay.wake(tenant_id)

    async def all_published() -> bool:
        return len(broker.messages) == 11

    await eventually(all_published)
    assert broker.numbers() == {str(tenant_id): [number] for number, tenant_id in enumerate(tenants)}


async def test_a_relay_that_is_closed_leaves_the_rest_to_others(stores: Stores, tenant: UUID, broker: Broker) -> None:
    closed, other = (_replica(stores.databases("payment"), broker) for _ in range(2))
    await closed.relay.close()
    await _emit(stores, tenant, "a", 1)
    assert await other.relay.drain(tenant) == 1


def _received(*, subject: str = "s") -> ReceivedEvent:
    return ReceivedEvent(new_id(), "x", "t", subject, new_id(), datetime.now(UTC), "test", {}, None, b"")


async def _claim(stores: Stores, tenant: UUID, events: list[ReceivedEvent]) -> list[UUID]:
    async with stores.databases("payment").transaction(tenant) as tx:
        return [event.id for event in await claim_new(tx, "payment", events)]


async def test_an_event_takes_effect_once_however_often_it_comes(stores: Stores, tenant: UUID) -> None:
    a, b, c = (_received() for _ in range(3))
    assert await _claim(stores, tenant, [a, b, a]) == [a.id, b.id]
    assert await _claim(stores, tenant, [b, c, a, c]) == [c.id]
    assert await _claim(stores, tenant, []) == []


async def test_the_mark_goes_back_with_the_effect(stores: Stores, tenant: UUID) -> None:
    event = _received()
    with pytest.raises(ConnectionResetError):
        async with stores.databases("payment").transaction(tenant) as tx:
            await claim_new(tx, "payment", [event])
            raise ConnectionResetError
    assert await _claim(stores, tenant, [event]) == [event.id]


async def test_two_consumers_of_the_same_events_share_them_out(stores: Stores, tenant: UUID) -> None:
    events = [_received() for _ in range(200)]
    claimed = await asyncio.gather(*(_claim(stores, tenant, events) for _ in range(4)))
    assert sorted(event_id for one in claimed for event_id in one) == sorted(event.id for event in events)
    for one in claimed:
        assert all(events_before < events_after for events_before, events_after in pairwise(one)), "in their order"


async def test_envelopes_say_who_did_what_to_whom_and_when(
    stores: Stores, tenant: UUID, replica: Replica, broker: Broker
) -> None:
    awkward = {"number": 1, "text": 'a"b\\c\n\t漢字 \u2028 {"x": 1}', "none": None}
    async with stores.databases("payment").transaction(tenant) as tx:
        tx.emit(Event("payment.test", PAYMENT_EVENTS, "a", awkward, "key:abc"))
    await replica.relay.drain(tenant)
    event = decode_event(PAYMENT_EVENTS, broker.messages[0][2].encode())
    assert (event.type, event.subject, event.tenant_id, event.actor) == ("payment.test", "a", tenant, "key:abc")
    assert event.data == awkward
    assert abs(event.time - datetime.now(UTC)) < timedelta(minutes=1)
    assert b'"specversion":"1.0"' in event.raw
