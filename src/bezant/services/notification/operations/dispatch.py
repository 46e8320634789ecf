"""Which tenants' deliveries run in this process."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg

from bezant.contracts.problems import NotFound, Problem, TenantNotActive
from bezant.foundation.due_work import GUARD_SECONDS, DueWork
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.notification.domain.room import Room
from bezant.services.notification.operations.deliver_messages import InFlight, TenantDelivery
from bezant.services.notification.operations.send import Sender
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage.delivery_queue import NextDue

_log = logging.getLogger(__name__)
DELIVERIES: Final = "deliveries"
"""The kind of due work."""
_LOOK_AGAIN_SECONDS: Final = 15.0


class Dispatcher:
    """Runs at most one `TenantDelivery` per tenant, and leaves hints for what is due later."""

    def __init__(
        self,
        *,
        databases: TenantDatabases,
        due_work: DueWork,
        sender: Sender,
        settings: NotificationSettings,
    ) -> None:
        self._databases = databases
        self._due_work = due_work
        self._sender = sender
        self._settings = settings
        self._in_flight = InFlight(settings.max_in_flight)
        self._running: dict[UUID, tuple[TenantDelivery, asyncio.Task[NextDue]]] = {}
        self._rooms: dict[UUID, dict[UUID, Room]] = {}
        self._hints: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def guard(self, tenant_id: UUID) -> None:
        """Leave a hint before messages are enqueued, so that another process finds them should this one die."""
        await self._due_work.guard(tenant_id, DELIVERIES)

    def wake(self, tenant_id: UUID) -> None:
        """Say that the tenant may have something to deliver now. Returns at once."""
        if self._stopping:
            return
        running = self._running.get(tenant_id)
        if running is not None and not running[1].done():
            running[0].wake()
            return
        delivery = TenantDelivery(
            tenant_id,
            databases=self._databases,
            sender=self._sender,
            settings=self._settings,
            in_flight=self._in_flight,
            rooms=self._rooms.setdefault(tenant_id, {}),
        )
        task = asyncio.create_task(delivery.run())
        self._running[tenant_id] = (delivery, task)
        task.add_done_callback(lambda done: self._ended(tenant_id, done))

    def _ended(self, tenant_id: UUID, task: "asyncio.Task[NextDue]") -> None:
        if self._running[tenant_id][1] is task:
            del self._running[tenant_id]
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            due = task.result()
            if due.due_at is not None and not self._stopping:
                self._hint(tenant_id, due.due_at)
            return
        if isinstance(error, TenantNotActive | NotFound):
            self._rooms.pop(tenant_id, None)
        elif isinstance(error, Problem | psycopg.Error):
            _log.info("deliveries of tenant %s are put off: %s", tenant_id, type(error).__name__)
            self._hint(tenant_id, datetime.now(UTC) + timedelta(seconds=2))
        else:
            _log.error("deliveries of tenant %s broke off", tenant_id, exc_info=error)
            self._hint(tenant_id, datetime.now(UTC) + timedelta(seconds=5))

    def _hint(self, tenant_id: UUID, due_at: datetime) -> None:
        task = asyncio.create_task(self._schedule(tenant_id, due_at))
        self._hints.add(task)
        task.add_done_callback(self._hints.discard)

    async def _schedule(self, tenant_id: UUID, due_at: datetime) -> None:
        try:
            await self._due_work.schedule(tenant_id, DELIVERIES, due_at)
        except Problem as error:
            # The full sweep finds it.
            _log.warning("no hint for deliveries of tenant %s: %s", tenant_id, error.detail)

    async def deliver_when_due(self, tenant_id: UUID) -> datetime | None:
        """Handle due work: deliver, and return when to look again, or None when nothing is waiting."""
        self.wake(tenant_id)
        running = self._running.get(tenant_id)
        if running is None:
            return None
        done, _ = await asyncio.wait([running[1]], timeout=_LOOK_AGAIN_SECONDS)
        soon = datetime.now(UTC) + timedelta(seconds=GUARD_SECONDS)
        if not done:
            return soon
        due = running[1].result()
        young = due.newest_message_at is not None and due.newest_message_at > datetime.now(UTC) - timedelta(
            seconds=GUARD_SECONDS
        )
        if young:
            # Whoever enqueued that may still be at it, behind the hint that this run answers.
            return min(soon, due.due_at) if due.due_at is not None else soon
        return due.due_at

    async def close(self) -> None:
        """Stop; what is in flight is cut off and comes due again when its lease ends."""
        self._stopping = True
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._hints, return_exceptions=True)
        await self._sender.close()
