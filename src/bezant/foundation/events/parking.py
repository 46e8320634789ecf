"""Events of a tenant whose database is down are set aside in the control database and resumed in order."""

import asyncio
import logging
import time
from typing import Any
from uuid import UUID

from opentelemetry import trace

from bezant.contracts.events import ReceivedEvent, decode_event
from bezant.contracts.problems import NotFound, Problem, TenantNotActive
from bezant.foundation.control.database import QUERIES, ControlDatabase
from bezant.foundation.events.subscription import EventHandler

_log = logging.getLogger(__name__)
_RESUME_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 300.0


class Parking:
    """The parked events of one service. Any replica may resume them; handlers are idempotent."""

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control
        self._service = control.service
        self._parked: set[UUID] = set()
        # Parking and looking whether anything is parked exclude each other: otherwise an event that is parked in
        # between would be overtaken by a later one.
        self._changing = asyncio.Lock()
        self._failures: dict[UUID, int] = {}
        self._resume_at: dict[UUID, float] = {}

    def holds(self, tenant_id: UUID) -> bool:
        """Return whether earlier events of the tenant wait here, as far as this process knows."""
        return tenant_id in self._parked

    async def park(self, tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        """Make the events durable in the control database. Raises `ControlUnavailable`."""
        async with self._changing:
            async with self._control.transaction() as connection, connection.cursor() as cursor:
                await cursor.executemany(
                    QUERIES["park_event"],
                    [
                        {
                            "service": self._service,
                            "tenant_id": tenant_id,
                            "event_id": event.id,
                            "topic": event.topic,
                            "envelope": event.raw.decode(),
                        }
                        for event in events
                    ],
                )
            if tenant_id not in self._parked:
                _log.warning("setting events of tenant %s aside until its database answers", tenant_id)
            self._parked.add(tenant_id)

    async def resume(self, handler: EventHandler) -> None:
        """Hand the parked events over, tenant by tenant, until cancelled."""
        tracer = trace.get_tracer(__name__)
        while True:
            try:
                async with self._changing:
                    rows = await self._control.fetch_all(QUERIES["parked_tenants"], {"service": self._service})
                    self._parked = {row[0] for row in rows}
                now = time.monotonic()
                tenants = [tenant_id for tenant_id in self._parked if self._resume_at.get(tenant_id, 0.0) <= now]
                await asyncio.gather(*(self._resume_tenant(tenant_id, handler, tracer) for tenant_id in tenants))
            except Problem as error:
                _log.info("parked events wait: %s", error.detail)
            await asyncio.sleep(_RESUME_SECONDS)

    async def _resume_tenant(self, tenant_id: UUID, handler: EventHandler, tracer: trace.Tracer) -> None:
        while rows := await self._oldest(tenant_id):
            events = [decode_event(topic, envelope.encode()) for _, topic, envelope in rows]
            try:
                with tracer.start_as_current_span("resume"):
                    await handler(tenant_id, events)
            except (TenantNotActive, NotFound):
                _log.info("dropping parked events of tenant %s, which is gone", tenant_id)
            except Problem:
                return
            except Exception:
                self._put_off(tenant_id)
                return
            await self._control.execute(QUERIES["unpark_events"], {"numbers": [row[0] for row in rows]})
        self._failures.pop(tenant_id, None)
        self._resume_at.pop(tenant_id, None)
        _log.info("the parked events of tenant %s were handled", tenant_id)

    async def _oldest(self, tenant_id: UUID) -> list[tuple[Any, ...]]:
        """Return the oldest parked events; when there are none, later events need not be parked any more."""
        async with self._changing:
            rows = await self._control.fetch_all(
                QUERIES["parked_events"], {"service": self._service, "tenant_id": tenant_id}
            )
            if not rows:
                self._parked.discard(tenant_id)
            return rows

    def _put_off(self, tenant_id: UUID) -> None:
        """Wait longer after each failure that is not the database's: a defect is not mended by haste."""
        failures = self._failures.get(tenant_id, 0) + 1
        self._failures[tenant_id] = failures
        wait_seconds = min(_LONGEST_WAIT_SECONDS, _RESUME_SECONDS * 2**failures)
        self._resume_at[tenant_id] = time.monotonic() + wait_seconds
        _log.exception("events of tenant %s cannot be handled; tried again in %.0f s", tenant_id, wait_seconds)
