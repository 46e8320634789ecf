"""Webhooks from the event to the receiver, on a real PostgreSQL and over real HTTP."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from bezant.contracts.events import ReceivedEvent
from bezant.contracts.identifiers import new_id
from bezant.services.notification.domain.messages import EndpointStatus
from bezant.services.notification.domain.problems import EndpointUrlRefused
from bezant.services.notification.domain.schedule import SCHEDULE_SECONDS
from bezant.services.notification.operations.enqueue_messages import enqueue_events
from bezant.services.notification.operations.manage_endpoints import EndpointChange

from ..stores.fixtures import Stores, eventually
from .conftest import MakeNotification, Notification, Receiver

FAST = {"schedule_compression": 1_000_000.0}


def events(tenant: UUID, count: int, event_type: str = "payment.captured") -> list[ReceivedEvent]:
    return [
        ReceivedEvent(
            id=new_id(),
            type=event_type,
            topic="payment.events",
            subject=f"payment-{number}",
            tenant_id=tenant,
            time=datetime.now(UTC),
            actor="service:payment",
            data={"n": number, "text": 'é "quoted" \x00'},
            traceparent=None,
            raw=b"",
        )
        for number in range(count)
    ]


async def enqueue(notification: Notification, tenant: UUID, batch: list[ReceivedEvent]) -> int:
    return await enqueue_events(notification.stores.databases("notification"), tenant, batch)


async def test_an_event_is_delivered_with_a_signature_that_verifies(
    notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    _, secret = await notification.endpoint(tenant, receiver.base_url + "/hooks")
    (event,) = batch = events(tenant, 1)
    assert await enqueue(notification, tenant, batch) == 1
    await notification.deliver(tenant)
    (request,) = receiver.at("/hooks")
    payload = Webhook(secret).verify(request.body, request.headers)
    assert payload["type"] == "payment.captured"
    assert payload["data"] == event.data
    assert payload["event_id"] == str(event.id)
    assert request.headers["bezant-sequence"] == "1"
    assert request.headers["content-type"] == "application/json"
    assert await notification.states(tenant) == [(1, "delivered", 1)]


async def test_events_are_enqueued_once_numbered_without_gaps_and_filtered(
    notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    await notification.endpoint(tenant, receiver.base_url + "/all")
    await notification.endpoint(tenant, receiver.base_url + "/fraud", "fraud.*", "payment.failed")
    captured, opened, failed = (
        events(tenant, 3, kind) for kind in ("payment.captured", "fraud.case_opened", "payment.failed")
    )
    await enqueue(notification, tenant, captured + opened)
    await enqueue(notification, tenant, opened + failed + captured[:1])
    await notification.deliver(tenant)
    assert sorted(receiver.sequences("/all")) == list(range(1, 10))
    assert sorted(receiver.sequences("/fraud")) == list(range(1, 7))
    assert {json.loads(each.body)["type"] for each in receiver.at("/fraud")} == {"fraud.case_opened", "payment.failed"}


async def test_concurrent_enqueuers_leave_no_gap(notification: Notification, receiver: Receiver, tenant: UUID) -> None:
    for path in ("/a", "/b"):
        await notification.endpoint(tenant, receiver.base_url + path)
    batch = events(tenant, 200)
    groups = [batch[start : start + 20] for start in range(0, 200, 10)]
    await asyncio.gather(*(enqueue(notification, tenant, group) for group in groups))
    await notification.deliver(tenant)
    for path in ("/a", "/b"):
        assert sorted(receiver.sequences(path)) == list(range(1, 201))
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 400


async def test_a_failed_delivery_is_tried_again_with_the_same_id_and_body(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    notification = await make_notification(**FAST)
    _, secret = await notification.endpoint(tenant, receiver.base_url)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=200 if len(receiver.received) == 4 else 503)

    receiver.answer = answer
    await enqueue(notification, tenant, events(tenant, 1))
    await until_settled(notification, tenant)
    assert await notification.states(tenant) == [(1, "delivered", 4)]
    assert len({(each.headers["webhook-id"], each.body) for each in receiver.received}) == 1
    for each in receiver.received:
        Webhook(secret).verify(each.body, each.headers)
    rows = await notification.stores.as_superuser(
        tenant, "SELECT attempt_number, status_code, error FROM notification.attempts ORDER BY attempt_id"
    )
    assert rows == [(1, 503, "answered 503"), (2, 503, "answered 503"), (3, 503, "answered 503"), (4, 200, None)]


async def test_the_next_attempt_is_due_by_the_schedule(
    notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    await notification.endpoint(tenant, receiver.base_url)
    receiver.answer = refusing(500)
    await enqueue(notification, tenant, events(tenant, 1))
    before = datetime.now(UTC)
    due_at = await notification.deliver(tenant)
    after = datetime.now(UTC)
    assert due_at is not None
    assert due_at - before > timedelta(seconds=3.9)
    assert due_at - after < timedelta(seconds=11)
    ((hinted_tenant, hinted_at),) = notification.due_work.scheduled
    assert hinted_tenant == tenant
    assert (hinted_at - before).total_seconds() >= 4.0
    assert (hinted_at - after).total_seconds() <= 6.5


async def test_a_delivery_is_dead_after_the_schedule_and_replay_sends_it_again(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    notification = await make_notification(**FAST)
    endpoint_id, _ = await notification.endpoint(tenant, receiver.base_url)
    receiver.answer = refusing(500)
    await enqueue(notification, tenant, events(tenant, 3))
    await until_settled(notification, tenant)
    assert await notification.states(tenant) == [(n, "dead", len(SCHEDULE_SECONDS)) for n in (1, 2, 3)]
    receiver.answer = None
    receiver.received.clear()
    await replay(notification, tenant, endpoint_id, since_sequence=2)
    await until_settled(notification, tenant)
    assert await notification.states(tenant) == [(1, "dead", 10), (2, "delivered", 1), (3, "delivered", 1)]
    assert sorted(receiver.sequences()) == [2, 3]


async def replay(notification: Notification, tenant: UUID, endpoint_id: UUID, **selection: Any) -> int:
    from bezant.services.notification.api.schemas import ReplayIn
    from bezant.services.notification.operations.replay_messages import replay_messages

    databases = notification.stores.databases("notification")
    chosen = ReplayIn(**selection).selection()
    return (await replay_messages(databases, tenant, endpoint_id, chosen, actor="key:test")).count


async def test_a_slow_endpoint_holds_up_nobody_else(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    notification = await make_notification(request_timeout_seconds=30.0)
    for path in ("/slow", "/fast"):
        await notification.endpoint(tenant, receiver.base_url + path)
    release = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/slow":
            await release.wait()
        return web.Response()

    receiver.answer = answer
    await enqueue(notification, tenant, events(tenant, 100))
    notification.dispatcher.wake(tenant)
    await eventually(async_(lambda: len(receiver.at("/fast")) == 100))
    # What comes later is not held up either, though the run still waits for the slow receiver.
    await enqueue(notification, tenant, events(tenant, 5))
    notification.dispatcher.wake(tenant)
    await eventually(async_(lambda: len(receiver.at("/fast")) == 105))
    assert len(receiver.at("/slow")) == 8
    release.set()
    await eventually(async_(lambda: len(receiver.at("/slow")) == 105))


async def test_a_claim_that_was_never_settled_is_sent_again_when_its_lease_ends(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    dying = await make_notification(lease_seconds=2)
    await dying.endpoint(tenant, receiver.base_url)
    hangs = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await hangs.wait()
        return web.Response()

    receiver.answer = hang
    await enqueue(dying, tenant, events(tenant, 1))
    dying.dispatcher.wake(tenant)
    await eventually(async_(lambda: len(receiver.received) == 1))
    await dying.dispatcher.close()
    hangs.set()
    successor = await make_notification()
    await until_settled(successor, tenant)
    assert await successor.states(tenant) == [(1, "delivered", 2)]
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1
    assert len(receiver.received) == 2


async def test_410_gone_disables_the_endpoint_and_enabling_it_sends_what_waited(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    notification = await make_notification(**FAST)
    endpoint_id, _ = await notification.endpoint(tenant, receiver.base_url)
    receiver.answer = refusing(410)
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    endpoint = await notification.endpoints.read(tenant, endpoint_id)
    assert (endpoint.status, endpoint.status_reason) == (EndpointStatus.DISABLED, "the receiver answered 410 Gone")
    assert await enqueue(notification, tenant, events(tenant, 2)) == 0
    receiver.answer = None
    enable = EndpointChange(status=EndpointStatus.ENABLED)
    await notification.endpoints.change(tenant, endpoint_id, enable, actor="key:test")
    await until_settled(notification, tenant)
    assert [row[1] for row in await notification.states(tenant)] == ["delivered"]


async def test_both_secrets_sign_until_the_old_one_expires(
    notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    endpoint_id, old = await notification.endpoint(tenant, receiver.base_url)
    rotation = await notification.endpoints.rotate_secret(tenant, endpoint_id, overlap_seconds=3600, actor="key:test")
    new = rotation.secret
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    for secret in (old, new):
        Webhook(secret).verify(receiver.received[0].body, receiver.received[0].headers)
    rotation = await notification.endpoints.rotate_secret(tenant, endpoint_id, overlap_seconds=0, actor="key:test")
    newest = rotation.secret
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    Webhook(newest).verify(receiver.received[1].body, receiver.received[1].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(receiver.received[1].body, receiver.received[1].headers)


async def test_secrets_are_not_readable_in_the_database(
    notification: Notification, stores: Stores, receiver: Receiver, tenant: UUID
) -> None:
    _, secret = await notification.endpoint(tenant, receiver.base_url)
    rows = await stores.as_superuser(tenant, "SELECT secret FROM notification.endpoints")
    assert secret.encode() not in rows[0][0]
    assert secret.removeprefix("whsec_").encode() not in rows[0][0]
    events_made = await stores.as_superuser(tenant, "SELECT envelope FROM notification.outbox")
    assert "webhook_endpoint.created" in events_made[0][0]
    assert secret not in events_made[0][0]


async def test_redirects_are_not_followed(notification: Notification, receiver: Receiver, tenant: UUID) -> None:
    await notification.endpoint(tenant, receiver.base_url + "/from")

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"location": "/to"})

    receiver.answer = redirect
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    assert [each.path for each in receiver.received] == ["/from"]
    assert await notification.states(tenant) == [(1, "pending", 1)]


async def test_private_addresses_are_not_reached_even_by_a_name(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    lenient = await make_notification()
    port = receiver.base_url.rpartition(":")[2]
    for url in (receiver.base_url, f"http://localhost:{port}/"):
        await lenient.endpoint(tenant, url)
    await enqueue(lenient, tenant, events(tenant, 1))
    strict = await make_notification(allowed_networks="")
    await strict.deliver(tenant)
    assert receiver.received == []
    rows = await strict.stores.as_superuser(tenant, "SELECT DISTINCT status, attempts FROM notification.deliveries")
    assert rows == [("pending", 1)]


async def test_what_a_name_resolves_to_decides_when_the_endpoint_is_made_and_at_each_connection(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    url = f"http://localhost:{receiver.base_url.rpartition(':')[2]}/"
    lenient = await make_notification()
    await lenient.endpoint(tenant, url)
    await enqueue(lenient, tenant, events(tenant, 1))
    # A network is allowed, so that local names pass; this one resolves to another.
    strict = await make_notification(allowed_networks="10.0.0.0/8")
    with pytest.raises(EndpointUrlRefused):
        await strict.endpoint(tenant, url)
    with pytest.raises(EndpointUrlRefused):
        change = EndpointChange(url=url)
        await strict.endpoints.change(tenant, new_id(), change, actor="key:test")
    await strict.endpoint(tenant, "https://no-such-name.invalid/")
    await strict.deliver(tenant)
    assert receiver.received == []
    ((error,),) = await strict.stores.as_superuser(
        tenant, "SELECT last_error FROM notification.deliveries WHERE attempts > 0"
    )
    assert "resolves to no public address" in error


async def test_nobody_listening_is_a_failed_attempt(notification: Notification, tenant: UUID) -> None:
    await notification.endpoint(tenant, "http://127.0.0.1:9/")
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    ((error,),) = await notification.stores.as_superuser(tenant, "SELECT last_error FROM notification.deliveries")
    assert "ClientConnector" in error


async def test_two_processes_deliver_each_message_once_between_them(
    make_notification: MakeNotification, receiver: Receiver, tenant: UUID
) -> None:
    one, two = await make_notification(), await make_notification()
    await one.endpoint(tenant, receiver.base_url)
    await enqueue(one, tenant, events(tenant, 500))
    await asyncio.gather(one.deliver(tenant), two.deliver(tenant))
    await until_settled(one, tenant)
    assert sorted(receiver.sequences()) == list(range(1, 501))


def refusing(status: int) -> Any:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    return answer


def async_(check: Any) -> Any:
    async def asked() -> bool:
        return bool(check())

    return asked


async def until_settled(notification: Notification, tenant: UUID) -> None:
    async def settled() -> bool:
        await notification.deliver(tenant)
        return all(row[1] != "pending" for row in await notification.states(tenant))

    await eventually(settled)
