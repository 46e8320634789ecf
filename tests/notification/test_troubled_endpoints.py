"""Receivers that fail, rest, answer slowly or are gone, and what they cost others."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from bezant.services.notification.domain.circuit import FAILURES_TO_OPEN
from bezant.services.notification.domain.messages import EndpointStatus
from bezant.services.notification.operations.manage_endpoints import EndpointChange

from ..stores.fixtures import Stores, eventually
from .conftest import MakeNotification, Notification, Receiver
from .test_delivering import FAST, async_, enqueue, events, refusing, until_settled


async def circuits(notification: Notification, tenant: UUID) -> list[Any]:
    return await notification.stores.as_superuser(
        tenant,
        "SELECT consecutive_failures, times_opened, open_until > now(), failing_since IS NOT NULL "
        "FROM notification.endpoint_circuits",
    )


async def test_a_failing_endpoint_is_left_alone_while_its_circuit_is_open(
    notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    endpoint_id, _ = await notification.endpoint(tenant, receiver.base_url)
    receiver.answer = refusing(500)
    await enqueue(notification, tenant, events(tenant, 100))
    due_at = await notification.deliver(tenant)
    assert FAILURES_TO_OPEN <= len(receiver.received) <= 16
    (circuit,) = await circuits(notification, tenant)
    assert circuit[1:] == (1, True, True)
    assert circuit[0] == len(receiver.received)
    endpoint = await notification.endpoints.read(tenant, endpoint_id)
    assert endpoint.paused_until is not None
    assert endpoint.failing_since is not None
    # The messages that were never tried are due, and the next look is when the circuit lets one through.
    assert due_at is not None
    before = len(receiver.received)
    await notification.deliver(tenant)
    assert len(receiver.received) == before


async def test_when_the_circuit_lets_one_through_that_one_decides(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    notification = await make_notification(schedule_compression=10.0)
    await notification.endpoint(tenant, receiver.base_url)
    receiver.answer = refusing(500)
    await enqueue(notification, tenant, events(tenant, 50))
    await notification.deliver(tenant)
    tried = len(receiver.received)
    await notification.stores.as_superuser(tenant, "UPDATE notification.endpoint_circuits SET open_until = now()")
    await notification.deliver(tenant)
    assert len(receiver.received) == tried + 1
    assert (await circuits(notification, tenant))[0][1] == 2
    receiver.answer = None
    await notification.stores.as_superuser(tenant, "UPDATE notification.endpoint_circuits SET open_until = now()")
    await notification.stores.as_superuser(tenant, "UPDATE notification.deliveries SET next_attempt_at = now()")
    await until_settled(notification, tenant)
    assert {row[1] for row in await notification.states(tenant)} == {"delivered"}
    assert await circuits(notification, tenant) == [(0, 0, None, False)]


async def test_retry_after_is_obeyed_for_the_message_and_for_its_neighbours(
    notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    await notification.endpoint(tenant, receiver.base_url)

    async def busy(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"retry-after": "90"}, text="slow down")

    receiver.answer = busy
    await enqueue(notification, tenant, events(tenant, 1))
    before = datetime.now(UTC)
    due_at = await notification.deliver(tenant)
    assert due_at is not None
    assert timedelta(seconds=9) < due_at - before < timedelta(seconds=91)
    ((hinted_at,),) = {(at,) for _, at in notification.due_work.scheduled}
    assert timedelta(seconds=89) < hinted_at - before < timedelta(seconds=95)
    receiver.answer = None
    await enqueue(notification, tenant, events(tenant, 5))
    await notification.deliver(tenant)
    assert len(receiver.received) == 1
    rows = await notification.stores.as_superuser(tenant, "SELECT status_code, answer_body FROM notification.attempts")
    assert rows == [(429, "slow down")]


async def test_enabling_an_endpoint_or_testing_it_does_not_wait_for_its_circuit(
    notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    endpoint_id, _ = await notification.endpoint(tenant, receiver.base_url)
    receiver.answer = refusing(500)
    await enqueue(notification, tenant, events(tenant, 20))
    await notification.deliver(tenant)
    receiver.answer = None
    for status in (EndpointStatus.DISABLED, EndpointStatus.ENABLED):
        await notification.endpoints.change(tenant, endpoint_id, EndpointChange(status=status), actor="key:test")
    await notification.deliver(tenant)
    assert {row[1] for row in await notification.states(tenant) if row[2] == 1} == {"delivered", "pending"}
    assert await circuits(notification, tenant) == [(0, 0, None, False)]


async def test_an_endpoint_that_took_nothing_for_days_is_disabled_and_keeps_what_waits(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    notification = await make_notification(give_up_hours=120)
    endpoint_id, _ = await notification.endpoint(tenant, receiver.base_url)
    receiver.answer = refusing(500)
    await enqueue(notification, tenant, events(tenant, 3))
    await notification.deliver(tenant)
    age = "UPDATE notification.endpoint_circuits SET open_until = now(), failing_since = now() - interval '121 hours'"
    await notification.stores.as_superuser(tenant, age)
    await notification.stores.as_superuser(tenant, "UPDATE notification.deliveries SET next_attempt_at = now()")
    await notification.deliver(tenant)
    endpoint = await notification.endpoints.read(tenant, endpoint_id)
    assert (endpoint.status, endpoint.status_reason) == (EndpointStatus.DISABLED, "nothing was taken for 120 hours")
    assert {row[1] for row in await notification.states(tenant)} == {"pending"}
    envelopes = await notification.stores.as_superuser(tenant, "SELECT envelope FROM notification.outbox ORDER BY n")
    assert "webhook_endpoint.changed" in envelopes[-1][0]
    assert "service:notification" in envelopes[-1][0]
    receiver.answer = None
    enable = EndpointChange(status=EndpointStatus.ENABLED)
    await notification.endpoints.change(tenant, endpoint_id, enable, actor="key:test")
    await notification.stores.as_superuser(tenant, "UPDATE notification.deliveries SET next_attempt_at = now()")
    await until_settled(notification, tenant)
    assert {row[1] for row in await notification.states(tenant)} == {"delivered"}


async def test_receivers_that_never_answer_cost_the_next_tenant_nothing(
    make_notification: MakeNotification, stores: Stores, receiver: Receiver, tenant: UUID
) -> None:
    notification = await make_notification(
        request_timeout_seconds=60.0, max_in_flight=32, max_in_flight_of_tenant=16, first_room=8
    )
    never = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path.startswith("/dead"):
            await never.wait()
        return web.Response()

    receiver.answer = answer
    for tenants in range(4):
        other = await stores.new_tenant()
        for number in range(4):
            await notification.endpoint(other, f"{receiver.base_url}/dead/{tenants}/{number}")
        await enqueue(notification, other, events(other, 50))
        notification.dispatcher.wake(other)
        await eventually(async_(lambda started=tenants: len(receiver.received) > started))
    await notification.endpoint(tenant, receiver.base_url + "/alive")
    await enqueue(notification, tenant, events(tenant, 200))
    notification.dispatcher.wake(tenant)
    await eventually(async_(lambda: len(receiver.at("/alive")) == 200))
    assert len(receiver.received) - 200 < 32
    never.set()


async def test_dead_letters_are_listed_and_replayed_by_their_status(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    from bezant.services.notification.api.schemas import ReplayIn
    from bezant.services.notification.operations.replay_messages import replay_messages

    notification = await make_notification(**FAST)
    endpoint_id, _ = await notification.endpoint(tenant, receiver.base_url)
    await enqueue(notification, tenant, events(tenant, 2))
    await until_settled(notification, tenant)
    receiver.answer = refusing(500)
    await enqueue(notification, tenant, events(tenant, 3))
    await until_settled(notification, tenant)
    assert [row[1] for row in await notification.states(tenant)] == ["delivered"] * 2 + ["dead"] * 3
    receiver.answer = None
    receiver.received.clear()
    databases = notification.stores.databases("notification")
    dead = ReplayIn(status="dead").selection()  # type: ignore[arg-type]
    replayed = await replay_messages(databases, tenant, endpoint_id, dead, actor="key:test")
    assert (replayed.count, replayed.next_sequence) == (3, None)
    await until_settled(notification, tenant)
    assert sorted(receiver.sequences()) == [3, 4, 5]
    moment = datetime.now(UTC) - timedelta(hours=1)
    by_time = ReplayIn(from_time=moment, to_time=datetime.now(UTC) + timedelta(seconds=1)).selection()
    assert (await replay_messages(databases, tenant, endpoint_id, by_time, actor="key:test")).count == 5
    earlier = ReplayIn(to_time=moment).selection()
    assert (await replay_messages(databases, tenant, endpoint_id, earlier, actor="key:test")).count == 0
