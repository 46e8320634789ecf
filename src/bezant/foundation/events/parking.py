"""Events of a tenant whose database is down are set aside in the control database and resumed in order."""

import asyncio
import logging
from uuid import UUID

from opentelemetry import trace

from bezant.contracts.events import ReceivedEvent, decode_event
from bezant.contracts.problems import NotFound, Problem, TenantNotActive
from bezant.foundation.control.database import QUERIES, ControlDatabase
from bezant.foundation.events.subscription import EventHandler

_log = logging.getLogger(__name__)
_RESUME_SECONDS = 1.0


class Parking:
    """The parked events of one service. Any replica may resume them; handlers are idempotent."""

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control
        self._service = control.service
        self._parked: set[UUID] = set()

    def holds(self, tenant_id: UUID) -> bool:
        """Return whether earlier events of the tenant wait here, as far as this process knows."""
        return tenant_id in self._parked

    async def park(self, tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        """Make the events durable in the control database. Raises `ControlUnavailable`."""
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
                rows = await self._control.fetch_all(QUERIES["parked_tenants"], {"service": self._service})
                tenants = {row[0] for row in rows}
                self._parked |= tenants
                self._parked &= tenants
                await asyncio.gather(*(self._resume_tenant(tenant_id, handler, tracer) for tenant_id in tenants))
            except Problem as error:
                _log.info("parked events wait: %s", error.detail)
            await asyncio.sleep(_RESUME_SECONDS)

    async def _resume_tenant(self, tenant_id: UUID, handler: EventHandler, tracer: trace.Tracer) -> None:
        parameters = {"service": self._service, "tenant_id": tenant_id}
        while rows := await self._control.fetch_all(QUERIES["parked_events"], parameters):
            events = [decode_event(topic, envelope.encode()) for _, topic, envelope in rows]
            try:
                with tracer.start_as_current_span("resume"):
                    await handler(tenant_id, events)
            except (TenantNotActive, NotFound):
                _log.info("dropping parked events of tenant %s, which is gone", tenant_id)
            except Problem:
                return
            except Exception:
                _log.exception("parked events of tenant %s still cannot be handled", tenant_id)
                return
            await self._control.execute(QUERIES["unpark_events"], {"numbers": [row[0] for row in rows]})
        self._parked.discard(tenant_id)
        _log.info("the parked events of tenant %s were handled", tenant_id)
