"""Real stores and a receiver of webhooks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from fastapi import APIRouter

from bezant.services.notification.api.routes import public_router
from bezant.services.notification.api.subscription_routes import subscription_router, template_router
from bezant.services.notification.mail import Mailer
from bezant.services.notification.operations.dispatch import Dispatcher
from bezant.services.notification.operations.manage_endpoints import ManageEndpoints
from bezant.services.notification.operations.manage_subscriptions import ManageSubscriptions
from bezant.services.notification.operations.send import MessageSender
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage.client_certificate import ClientCertificate
from bezant.services.notification.storage.secret_box import SecretBox
from bezant.services.notification.transport import WebhookTransport

from ..stores.fixtures import Stores, free_port
from ..stores.http import Api, serving


@dataclass
class Received:
    """One request as the receiver got it."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A tenant's own system: answers as `answer` says, 200 unless told otherwise."""

    base_url: str
    received: list[Received] = field(default_factory=list)
    answer: Callable[[web.Request], Awaitable[web.Response]] | None = None

    def at(self, path: str) -> list[Received]:
        return [each for each in self.received if each.path == path]

    def sequences(self, path: str = "/") -> list[int]:
        return [int(each.headers["bezant-sequence"]) for each in self.at(path)]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    port = free_port()
    receiver = Receiver(f"http://127.0.0.1:{port}")

    async def handle(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        receiver.received.append(Received(request.path, headers, await request.read()))
        return web.Response() if receiver.answer is None else await receiver.answer(request)

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield receiver
    await runner.cleanup()


@dataclass
class DueWork:
    """Remembers hints instead of writing them to a control database."""

    scheduled: list[tuple[UUID, datetime]] = field(default_factory=list)
    guarded: list[UUID] = field(default_factory=list)

    async def schedule(self, tenant_id: UUID, kind: str, due_at: datetime) -> None:
        self.scheduled.append((tenant_id, due_at))

    async def guard(self, tenant_id: UUID, kind: str) -> None:
        self.guarded.append(tenant_id)


@dataclass
class Notification:
    """The service without its HTTP interface."""

    stores: Stores
    settings: NotificationSettings
    box: SecretBox
    endpoints: ManageEndpoints
    subscriptions: ManageSubscriptions
    dispatcher: Dispatcher
    due_work: DueWork

    async def endpoint(self, tenant_id: UUID, url: str, *filters: str) -> tuple[UUID, str]:
        endpoint, secret = await self.endpoints.create(
            tenant_id, url=url, description="", event_filters=list(filters) or ["*"], actor="key:test"
        )
        return endpoint.id, secret

    async def deliver(self, tenant_id: UUID) -> datetime | None:
        return await self.dispatcher.deliver_when_due(tenant_id)

    async def states(self, tenant_id: UUID) -> list[Any]:
        return await self.stores.as_superuser(
            tenant_id, "SELECT sequence, status, attempts FROM notification.deliveries ORDER BY sequence, message_id"
        )


MakeNotification = Callable[..., Awaitable[Notification]]


@pytest.fixture
async def make_notification(stores: Stores) -> AsyncIterator[MakeNotification]:
    made: list[Notification] = []

    async def make(**settings: Any) -> Notification:
        merged = NotificationSettings(**({"allow_http": True, "allowed_networks": "127.0.0.0/8,::1/128"} | settings))
        databases, box, due_work = stores.databases("notification"), SecretBox(stores.secrets), DueWork()
        transport, mailer = WebhookTransport(merged, ClientCertificate(stores.secrets)), Mailer(merged, stores.secrets)
        dispatcher = Dispatcher(
            databases=databases,
            due_work=due_work,  # type: ignore[arg-type]
            sender=MessageSender(box, transport, mailer),
            settings=merged,
        )
        endpoints = ManageEndpoints(databases, box, transport, merged)
        subscriptions = ManageSubscriptions(databases, stores.directory, box, mailer, merged)  # type: ignore[arg-type]
        made.append(Notification(stores, merged, box, endpoints, subscriptions, dispatcher, due_work))
        return made[-1]

    yield make
    await asyncio.gather(*(each.dispatcher.close() for each in made))


@pytest.fixture
async def notification(make_notification: MakeNotification) -> Notification:
    return await make_notification()


@pytest.fixture
async def api(stores: Stores, notification: Notification) -> AsyncIterator[Api]:
    async with serving("notification", routers(notification), stores) as api:
        yield api


def routers(notification: Notification) -> list[APIRouter]:
    databases = notification.stores.databases("notification")
    endpoints, subscriptions, dispatcher = notification.endpoints, notification.subscriptions, notification.dispatcher
    return [
        public_router(databases, endpoints, dispatcher, ClientCertificate(notification.stores.secrets)),
        subscription_router(databases, endpoints, subscriptions, dispatcher),
        template_router(databases),
    ]
