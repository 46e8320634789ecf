"""Deliver a tenant's messages: claim what is due, send it, write down how it went, until nothing is due.

One run for each tenant and process. A round is one transaction: it settles what was answered since the last and
claims as much as the endpoints have room for. While requests are in flight more answers gather, so that under
load a round carries many deliveries.
"""

import asyncio
import logging
import random
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import psycopg

from bezant.contracts.problems import NotFound, Problem, TenantNotActive
from bezant.foundation.failpoints import failpoint
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.domain.messages import EndpointKind, asks_to_stop
from bezant.services.notification.domain.outcomes import outcome_of
from bezant.services.notification.domain.room import Room, share_of
from bezant.services.notification.domain.templates import Template
from bezant.services.notification.events.publishes import endpoint_changed
from bezant.services.notification.metrics import ATTEMPT_SECONDS, ATTEMPTS, IN_FLIGHT
from bezant.services.notification.operations.manage_templates import templates_of
from bezant.services.notification.operations.send import Sender
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage.delivery_queue import (
    Attempted,
    Claimed,
    NextDue,
    claim,
    disable,
    next_due,
    settle,
    settle_circuits,
)
from bezant.services.notification.storage.endpoints import endpoint_in

_log = logging.getLogger(__name__)
_GATHER_SECONDS: Final = 0.005
_MAX_WAIT_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.5
_ACTOR: Final = "service:notification"
_GONE: Final = "the receiver answered 410 Gone"
_QUICK_MS: Final = 1_000


class InFlight:
    """Requests in flight from this process, over all tenants."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = 0

    @property
    def free(self) -> int:
        """How many more may be started."""
        return max(0, self.most - self.count)


class TenantDelivery:
    """One run of deliveries for one tenant."""

    def __init__(
        self,
        tenant_id: UUID,
        *,
        databases: TenantDatabases,
        sender: Sender,
        settings: NotificationSettings,
        in_flight: InFlight,
        rooms: dict[UUID, Room],
    ) -> None:
        """`rooms` outlives the run, so that a dead endpoint is remembered as one."""
        self._tenant_id = tenant_id
        self._databases = databases
        self._sender = sender
        self._settings = settings
        self._in_flight = in_flight
        self._rooms = rooms
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempted: list[Attempted] = []
        self._something_happened = asyncio.Event()
        self._delivered = ATTEMPTS.labels(tenant=str(tenant_id), outcome="delivered")
        self._failed = ATTEMPTS.labels(tenant=str(tenant_id), outcome="failed")

    def wake(self) -> None:
        """Say that something new may be due."""
        self._something_happened.set()

    async def run(self) -> NextDue:
        """Deliver until nothing is due and nothing is in flight, and return when more is.

        Raises `TenantNotActive` or `NotFound` when the tenant is gone. A database that does not answer is tried
        again as long as requests are in flight, then raises: leases make what was not settled due again.
        """
        try:
            while True:
                self._something_happened.clear()
                due = await self._round()
                if not self._tasks and not self._attempted and not self._something_happened.is_set():
                    if due.due_at is None or due.due_at > datetime.now(UTC):
                        return due
                    # Other tenants have taken all there is to take, or another process is just claiming these.
                    await asyncio.sleep(_GATHER_SECONDS if self._in_flight.free else _RETRY_SECONDS)
                    continue
                await self._wait(due)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait(self, due: NextDue) -> None:
        seconds = _MAX_WAIT_SECONDS
        if due.due_at is not None:
            seconds = min(seconds, max(0.0, (due.due_at - datetime.now(UTC)).total_seconds()))
        try:
            async with asyncio.timeout(max(seconds, _GATHER_SECONDS)):
                await self._something_happened.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_GATHER_SECONDS)

    async def _round(self) -> NextDue:
        attempted, self._attempted = self._attempted, []
        gone = list({each.claimed.endpoint_id for each in attempted if _asks_to_stop(each)})
        failing = {endpoint_id for endpoint_id, room in self._rooms.items() if room.failing}

        async def work(tx: TenantTransaction) -> tuple[list[Claimed], dict[str, Template], NextDue]:
            if attempted:
                await settle(tx, attempted)
                hopeless = await settle_circuits(
                    tx,
                    attempted,
                    known_failing=failing,
                    compression=self._settings.schedule_compression,
                    give_up_hours=self._settings.give_up_hours,
                )
                await self._disable(tx, gone, _GONE)
                reason = f"nothing was taken for {self._settings.give_up_hours} hours"
                await self._disable(tx, hopeless, reason)
            claimed = await claim(
                tx,
                {endpoint_id: room.free for endpoint_id, room in self._rooms.items()},
                first_room=self._settings.first_room,
                total_room=share_of(
                    self._in_flight.free, used=len(self._tasks), most=self._settings.max_in_flight_of_tenant
                ),
                lease_seconds=self._settings.lease_seconds,
            )
            mailed = {each.event_type for each in claimed if each.kind is EndpointKind.EMAIL}
            templates = await templates_of(tx, mailed) if mailed else {}
            # Asked for only when nothing more is due now: otherwise there will be another round anyway.
            return claimed, templates, NextDue(None, None) if claimed else await next_due(tx)

        try:
            claimed, templates, due = await self._databases.run(self._tenant_id, work)
        except (TenantNotActive, NotFound):
            raise
        except (Problem, psycopg.Error) as error:
            self._attempted = attempted + self._attempted
            if not self._tasks:
                raise
            _log.info("deliveries of tenant %s wait for its database: %s", self._tenant_id, type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)
            return NextDue(None, None)
        for done in attempted:
            if done.answer.error is None:
                self._rooms[done.claimed.endpoint_id].failing = False
        for each in claimed:
            self._start(each, templates.get(each.event_type))
        return due

    async def _disable(self, tx: TenantTransaction, endpoint_ids: list[UUID], reason: str) -> None:
        for endpoint_id in await disable(tx, endpoint_ids, reason) if endpoint_ids else ():
            tx.emit(endpoint_changed("changed", await endpoint_in(tx, endpoint_id), actor=_ACTOR))

    def _start(self, claimed: Claimed, template: Template | None) -> None:
        room = self._rooms.setdefault(
            claimed.endpoint_id, Room(limit=self._settings.first_room, most=self._settings.max_room)
        )
        room.in_flight += 1
        self._in_flight.count += 1
        IN_FLIGHT.inc()
        task = asyncio.create_task(self._attempt(claimed, room, template))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, room))

    def _ended(self, task: "asyncio.Task[None]", room: Room) -> None:
        self._tasks.discard(task)
        room.in_flight -= 1
        self._in_flight.count -= 1
        IN_FLIGHT.dec()
        self._something_happened.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease makes the delivery due again.
            _log.error("an attempt of tenant %s broke off", self._tenant_id, exc_info=error)

    async def _attempt(self, claimed: Claimed, room: Room, template: Template | None) -> None:
        at = datetime.now(UTC)
        answer = await self._sender.send(claimed, template)
        failpoint("notification.after_sending")
        outcome = outcome_of(
            claimed.attempts,
            answer.status_code,
            compression=self._settings.schedule_compression,
            chance=random.random(),  # noqa: S311 - jitter
            retry_after_seconds=answer.retry_after_seconds,
            permanent=answer.permanent,
        )
        succeeded = answer.error is None
        if succeeded:
            room.succeeded(quickly=answer.duration_ms < _QUICK_MS)
        else:
            room.failed()
        (self._delivered if succeeded else self._failed).inc()
        ATTEMPT_SECONDS.observe(answer.duration_ms / 1000)
        self._attempted.append(Attempted(claimed, answer, outcome, at))


def _asks_to_stop(attempted: Attempted) -> bool:
    webhook = attempted.claimed.kind is EndpointKind.WEBHOOK
    return webhook and asks_to_stop(attempted.answer.status_code or 0)
