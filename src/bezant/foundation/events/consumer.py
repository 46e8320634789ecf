"""Consumers: hand batches of events to a service, tenant by tenant, without one tenant stalling another."""

import asyncio
import logging
import threading
import time
from collections import defaultdict
from typing import Any
from uuid import UUID

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from opentelemetry import trace

from bezant.contracts.events import ReceivedEvent, decode_event
from bezant.contracts.problems import NotFound, TenantNotActive, TenantUnavailable, Unavailable
from bezant.foundation.events.parking import Parking
from bezant.foundation.events.subscription import EventHandler, Subscription
from bezant.foundation.failpoints import failpoint
from bezant.foundation.telemetry.metrics import CONSUMED_EVENTS, UNREADABLE_EVENTS
from bezant.foundation.telemetry.tracing import linked_span

_log = logging.getLogger(__name__)
_BATCH = 5000
_CONCURRENT_TENANTS = 8
_POLL_SECONDS = 0.05
_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)


class EventConsumer:
    """One member of the service's consumer group. Offsets are committed after the effects, never before."""

    def __init__(
        self,
        configuration: dict[str, Any],
        *,
        service: str,
        subscription: Subscription,
        parking: Parking,
        session_timeout_seconds: float,
    ) -> None:
        self._consumer = Consumer(
            configuration
            | {
                "group.id": f"bezant-{service}{'-' + subscription.name if subscription.name else ''}",
                "enable.auto.commit": False,
                # A group without offsets, or whose offsets the broker lost, reads everything; the inbox
                # makes that harmless.
                "auto.offset.reset": "earliest",
                "session.timeout.ms": int(session_timeout_seconds * 1000),
                "heartbeat.interval.ms": int(session_timeout_seconds * 1000 / 4),
                "fetch.wait.max.ms": 50,
                "fetch.error.backoff.ms": 100,
                "partition.assignment.strategy": "range",
            }
        )
        self._service = service
        self._subscription = subscription
        self._parking = parking
        self._stopping = threading.Event()
        self._tracer = trace.get_tracer(__name__)
        self._turns = asyncio.Semaphore(_CONCURRENT_TENANTS)

    async def run(self) -> None:
        """Consume until `stop`; finishes the batch in hand before it returns."""
        self._consumer.subscribe(list(self._subscription.topics))
        try:
            while not self._stopping.is_set():
                messages = await asyncio.to_thread(self._poll)
                if messages:
                    began = time.monotonic()
                    await self._handle(messages)
                    if len(messages) < _BATCH:
                        # none is left behind: what comes next may gather
                        await self._rest(time.monotonic() - began)
        finally:
            await asyncio.to_thread(self._consumer.close)

    async def _rest(self, took_seconds: float) -> None:
        rest_seconds = min(self._subscription.longest_rest_seconds, took_seconds * self._subscription.rest_factor)
        if rest_seconds and not self._stopping.is_set():
            await asyncio.sleep(rest_seconds)

    def stop(self) -> None:
        """Ask the consumer to end after the batch in hand."""
        self._stopping.set()

    def _poll(self) -> list[Message]:
        first = self._consumer.poll(0.5)
        if first is None:
            return []
        # once for all tenants, and before their turns: a handler that waited would keep others from theirs
        self._stopping.wait(self._subscription.linger_seconds)
        return [first, *self._consumer.consume(_BATCH - 1, timeout=0.002)]

    async def _handle(self, messages: list[Message]) -> None:
        by_tenant: dict[UUID, list[ReceivedEvent]] = defaultdict(list)
        ends: dict[tuple[str, int], int] = {}
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    _log.info("the broker reports: %s", error)
                continue
            topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
            ends[(topic, partition)] = offset + 1
            try:
                event = decode_event(topic, message.value() or b"")
            except msgspec.DecodeError as unreadable:
                UNREADABLE_EVENTS.labels(service=self._service).inc()
                _log.error("skipping an unreadable message at %s/%d@%d: %s", topic, partition, offset, unreadable)
                continue
            by_tenant[event.tenant_id].append(event)
        await asyncio.gather(*(self._deliver_in_turn(tenant_id, events) for tenant_id, events in by_tenant.items()))
        failpoint(f"consumer.after_handling.{self._service}")
        if ends:
            await asyncio.to_thread(self._commit, ends)

    async def _deliver_in_turn(self, tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        # A batch of a hundred tenants must not take a hundred turns of the database at once: payments wait behind it.
        async with self._turns:
            await self._deliver(tenant_id, events)

    async def _deliver(self, tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        """Hand over one tenant's events, or set them aside. Returns only when one of both is durable."""
        attempt = 0
        while True:
            try:
                if self._parking.holds(tenant_id):
                    # Earlier events of this tenant wait: these must wait behind them.
                    await self._parking.park(tenant_id, events)
                    return
                await deliver(self._subscription.handler, tenant_id, events, self._tracer)
                CONSUMED_EVENTS.labels(service=self._service).inc(len(events))
                return
            except (TenantNotActive, NotFound) as gone:
                _log.info("dropping %d events of tenant %s: %s", len(events), tenant_id, gone.detail)
                return
            except TenantUnavailable:
                try:
                    await self._parking.park(tenant_id, events)
                    return
                except Unavailable as error:
                    _log.warning("cannot set events aside: %s", error.detail)
            except Exception:
                _log.exception("handling %d events of tenant %s failed", len(events), tenant_id)
                if attempt >= len(_RETRY_SECONDS) - 1:
                    # One tenant's events that cannot be handled must not hold up the partition.
                    try:
                        await self._parking.park(tenant_id, events)
                        return
                    except Unavailable as error:
                        _log.warning("cannot set events aside: %s", error.detail)
            if self._stopping.is_set():
                raise asyncio.CancelledError
            await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
            attempt += 1

    def _commit(self, ends: dict[tuple[str, int], int]) -> None:
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in ends.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # The group has moved on or the broker is away: the events come again, and the inbox knows them.
            _log.info("offsets were not committed: %s", error)


async def deliver(handler: EventHandler, tenant_id: UUID, events: list[ReceivedEvent], tracer: trace.Tracer) -> None:
    """Call the handler inside a span that is linked to the traces that made the events."""
    with linked_span(tracer, "consume", [event.traceparent for event in events]):
        await handler(tenant_id, events)
