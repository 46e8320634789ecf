"""Broadcast topics: every instance reads all of them, from the start, without a consumer group.

A consumer group would hand `tenant.created` to one replica of a service only. The topics are small, and what
they lead to is idempotent, so that each process begins at the earliest offset.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from bezant.contracts.events import ReceivedEvent, decode_event

_log = logging.getLogger(__name__)


class BroadcastReader:
    """Reads every event of the given topics in this process."""

    def __init__(
        self,
        configuration: dict[str, Any],
        topics: Sequence[str],
        handler: Callable[[ReceivedEvent], Awaitable[None]],
    ) -> None:
        self._consumer = Consumer(
            configuration
            | {
                "group.id": f"bezant-broadcast-{configuration['client.id']}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 100,
                "fetch.error.backoff.ms": 100,
            }
        )
        self._topics = topics
        self._handler = handler
        self._stopping = threading.Event()
        self._handling: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Read until `stop`."""
        self._consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in self._topics])
        try:
            while not self._stopping.is_set():
                for message in await asyncio.to_thread(self._poll):
                    self._accept(message)
        finally:
            await asyncio.to_thread(self._consumer.close)

    def _poll(self) -> list[Message]:
        first = self._consumer.poll(0.5)
        return [] if first is None else [first, *self._consumer.consume(499, timeout=0.001)]

    def _accept(self, message: Message) -> None:
        if message.error() is not None:
            return
        try:
            event = decode_event(message.topic() or "", message.value() or b"")
        except msgspec.DecodeError as unreadable:
            _log.error("skipping an unreadable message on %s: %s", message.topic(), unreadable)
            return
        # Tenants are independent: one whose database is slow must not delay the next one's activation.
        task = asyncio.create_task(self._handle(event))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _handle(self, event: ReceivedEvent) -> None:
        try:
            await self._handler(event)
        except Exception:
            # The heartbeat asks the registry for what this instance has missed, and tries again.
            _log.warning("%s of tenant %s was not handled", event.type, event.tenant_id, exc_info=True)

    def stop(self) -> None:
        """Ask the reader to end."""
        self._stopping.set()
