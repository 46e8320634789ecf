"""Events that were just committed, published from memory: no outbox is read for them.

They are those of all tenants together, so that a thousand tenants with one event each cost one batch. Once the broker
has confirmed a batch its rows are marked as published, a tenant's rows of some seconds in one statement. A process that
dies in between leaves rows that are not marked: a hint makes another process publish them again, and consumers know
an event by its id.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import psycopg

from bezant.contracts.problems import Problem
from bezant.foundation.events.producer import BrokerUnavailable, EventProducer
from bezant.foundation.failpoints import failpoint
from bezant.foundation.telemetry.metrics import RELAYED_EVENTS
from bezant.foundation.tenancy.outbox import OutboxRow

_log = logging.getLogger(__name__)
MARK_SECONDS = 4.0
"""How long the rows of a tenant gather before they are marked as published."""
_MARK_AT = 1000
_MOST = 20_000
_REST_SECONDS = 0.2
"""After a batch: what is committed meanwhile goes out together. The first event after a quiet moment goes at once."""


class FreshEvents:
    """The events in memory of one process."""

    def __init__(
        self,
        producer: EventProducer,
        *,
        generation: Callable[[], int],
        mark: Callable[[UUID, list[int], int], Awaitable[bool]],
        failed: Callable[[UUID], None],
        service: str,
    ) -> None:
        """`generation` is the broker's as known now. `mark` marks rows of a tenant as published to a broker of a
        generation, or returns False when that has to wait. `failed` is told of a tenant whose rows wait in the outbox.
        """
        self._producer = producer
        self._generation = generation
        self._published_for = generation()
        self._mark = mark
        self._failed = failed
        self._service = service
        self._waiting: list[tuple[UUID, OutboxRow]] = []
        self._under_way: dict[int, list[tuple[UUID, OutboxRow]]] = {}
        self._batches: set[asyncio.Task[None]] = set()
        self._number = 0
        self._resting = False
        self._published: dict[UUID, list[int]] = defaultdict(list)
        self._mark_at: dict[UUID, float] = {}
        self._marking: asyncio.Task[None] | None = None
        self._stopping = False

    def add(self, tenant_id: UUID, rows: Sequence[OutboxRow]) -> bool:
        """Take rows to be published; False when the broker is away or too many wait: they stay in the outbox."""
        if not self._producer.reachable or len(self._waiting) + len(rows) > _MOST:
            return False
        self._waiting.extend((tenant_id, row) for row in rows)
        if not self._resting:
            self._resting = True
            asyncio.get_running_loop().call_soon(self._send)
        return True

    def hand_over(self, tenant_id: UUID) -> list[int]:
        """Queue everything that waits, so that what is published next comes behind it.

        Returns the numbers of the tenant's rows that need not be read from its outbox.
        """
        self._queue()
        self._forget_older_generation()
        under_way = [row.n for batch in self._under_way.values() for owner, row in batch if owner == tenant_id]
        return [*under_way, *self._published.get(tenant_id, ())]

    def _send(self) -> None:
        if self._waiting:
            self._queue()
            asyncio.get_running_loop().call_later(_REST_SECONDS, self._send)
        else:
            self._resting = False

    def _queue(self) -> None:
        if not self._waiting:
            return
        batch, self._waiting = self._waiting, []
        self._number += 1
        self._under_way[self._number] = batch
        # produced before this returns; only the confirmation is awaited
        confirmation = self._producer.produce([(row.topic, row.partition_key, row.envelope) for _, row in batch])
        task = asyncio.create_task(self._confirmed(self._number, confirmation))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _confirmed(self, number: int, confirmation: Awaitable[int]) -> None:
        try:
            await confirmation
        except BrokerUnavailable:
            for tenant_id in {owner for owner, _ in self._under_way.pop(number)}:
                self._failed(tenant_id)
            return
        failpoint(f"relay.after_publishing.{self._service}")
        self._forget_older_generation()
        batch = self._under_way.pop(number)
        RELAYED_EVENTS.labels(service=self._service).inc(len(batch))
        now = time.monotonic()
        for tenant_id, row in batch:
            numbers = self._published[tenant_id]
            numbers.append(row.n)
            self._mark_at.setdefault(tenant_id, now + MARK_SECONDS)
            if len(numbers) >= _MARK_AT:
                self._mark_at[tenant_id] = now
        if self._marking is None or self._marking.done():
            self._marking = asyncio.create_task(self._mark_when_due())

    def _forget_older_generation(self) -> None:
        """Take what an emptied broker has lost for not published: it is read from the outbox again."""
        if self._published_for < self._generation():
            self._published_for = self._generation()
            self._published.clear()
            self._mark_at.clear()

    async def _mark_when_due(self) -> None:
        while self._mark_at and not self._stopping:
            await asyncio.sleep(max(0.05, min(self._mark_at.values()) - time.monotonic()))
            now = time.monotonic()
            for tenant_id in [tenant_id for tenant_id, at in self._mark_at.items() if at <= now]:
                await self._mark_of(tenant_id)

    async def _mark_of(self, tenant_id: UUID) -> None:
        self._mark_at.pop(tenant_id, None)
        numbers = self._published.get(tenant_id)
        if not numbers:
            return
        marked = numbers[:]
        try:
            if not await self._mark(tenant_id, marked, self._published_for):
                self._mark_at[tenant_id] = time.monotonic() + 0.5
                return
        except (Problem, psycopg.Error) as error:
            # They stay in the outbox as if they had not been published, and are published again.
            _log.info("published rows of tenant %s are not marked: %s", tenant_id, type(error).__name__)
        del numbers[: len(marked)]
        if not numbers:
            self._published.pop(tenant_id, None)

    async def close(self) -> None:
        """Publish and mark what there is."""
        self._stopping = True
        self._queue()
        if self._batches:
            await asyncio.wait(list(self._batches), timeout=4)
        if self._marking is not None:
            self._marking.cancel()
        await asyncio.gather(*(self._mark_of(tenant_id) for tenant_id in list(self._published)))
