"""Publishing batches of messages and knowing that the broker has them."""

import asyncio
import threading
from collections.abc import Awaitable, Sequence
from typing import Any

from confluent_kafka import KafkaException, Message, Producer

from bezant.contracts.problems import Unavailable

# Well under the limit of a transaction, since the relay holds one open while it publishes.
_DELIVERY_SECONDS = 3.0


class BrokerUnavailable(Unavailable):
    """The broker did not confirm the messages in time; they may or may not have been written."""

    code = "broker_unavailable"


class EventProducer:
    """A Kafka producer that keeps the order, and repeats what was not confirmed. A thread serves its delivery reports.

    It is not an idempotent one on purpose. Consumers know an event by its id, so repetitions are harmless. An
    idempotent producer's identity is a number that the broker hands out, and a broker that was emptied hands out the
    same numbers again: it refuses the old producer for ever (UNKNOWN_PRODUCER_ID), or takes a new one's messages for
    repetitions of the old one's and drops them with a confirmation.
    """

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._producer = Producer(
            configuration
            | {
                "acks": "all",
                # One request at a time, so that one which is sent again is not overtaken.
                "max.in.flight.requests.per.connection": 1,
                # Otherwise whoever publishes first on an emptied broker makes the topic, with the broker's own
                # number of partitions, before it is made with ours.
                "allow.auto.create.topics": False,
                "linger.ms": 1,
                "compression.type": "lz4",
                "message.timeout.ms": int(_DELIVERY_SECONDS * 1000),
                "queue.buffering.max.messages": 200_000,
            }
        )
        self.reachable = True
        """Whether the last batch got through. While it is False only heartbeats are worth a try."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve_reports, name="kafka-producer", daemon=True)
        self._thread.start()

    def _serve_reports(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(0.1)

    async def publish(self, messages: Sequence[tuple[str, str, str | bytes]]) -> int:
        """Write (topic, key, value) messages in their order and wait until the broker has them all.

        Returns the offset of the last one. Raises `BrokerUnavailable`; a part may have been written by then.
        """
        return await self.produce(messages)

    def produce(self, messages: Sequence[tuple[str, str, str | bytes]]) -> Awaitable[int]:
        """Queue messages behind all that were queued before, and return what waits for the broker as `publish` does."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        remaining = len(messages)
        lock = threading.Lock()

        def settle(error: Exception | None, offset: int) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(offset)

        def report(error: Any, message: Message) -> None:
            nonlocal remaining
            with lock:
                remaining -= 1
                last = remaining == 0
            if error is not None:
                loop.call_soon_threadsafe(settle, BrokerUnavailable(str(error)), -1)
            elif last:
                loop.call_soon_threadsafe(settle, None, message.offset() or 0)

        try:
            for topic, key, value in messages:
                self._producer.produce(topic, value=value, key=key, on_delivery=report)
        except (KafkaException, BufferError) as error:
            settle(BrokerUnavailable(str(error)), -1)
        return self._confirmation(done)

    async def _confirmation(self, done: "asyncio.Future[int]") -> int:
        try:
            offset = await asyncio.wait_for(done, _DELIVERY_SECONDS + 0.5)
        except TimeoutError as error:
            self.reachable = False
            raise BrokerUnavailable("the broker does not answer") from error
        except BrokerUnavailable:
            self.reachable = False
            raise
        self.reachable = True
        return offset

    async def close(self) -> None:
        """Wait briefly for what is under way, and stop."""
        await asyncio.to_thread(self._producer.flush, 2.0)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, 2.0)
