"""The relay: publishes the outbox rows of one service within milliseconds of the commit.

Rows that open their aggregates go out from memory, those of many tenants in one batch (`FreshEvents`), and are marked
as published later, many in one statement. Everything else, and what could not be published or was left by a crash, is
read from the outbox: one transaction claims a tenant's outbox (a transaction-scoped advisory lock, so that one relay
works at a time), reads the oldest unpublished rows, publishes them, and marks them once the broker has confirmed. A
crash at any point publishes some of them again, never loses one.

Rows are read by "not published yet" and not by a cursor below the snapshot's xmin: xmin is that of the whole
cluster, so that one long transaction of one tenant would hold up the events of all (docs/decisions/0005).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, sql

from bezant.contracts.problems import NotFound, Problem, TenantNotActive
from bezant.foundation.due_work import GUARD_SECONDS
from bezant.foundation.events.fresh import MARK_SECONDS, FreshEvents
from bezant.foundation.events.producer import BrokerUnavailable, EventProducer
from bezant.foundation.failpoints import failpoint
from bezant.foundation.telemetry.metrics import RELAY_FAILURES, RELAYED_EVENTS
from bezant.foundation.tenancy.outbox import OutboxRow

_log = logging.getLogger(__name__)
_BATCH = 500
_CONCURRENT_TENANTS = 8
# A busy tenant's relay rests for a multiple of the time that its last batch took: what the services commit meanwhile
# goes out in one transaction and one request. The first event after a quiet moment goes out at once.
_REST_FACTOR = 16
_LONGEST_REST_SECONDS = 0.4
_RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)
_LEFT_SECONDS = MARK_SECONDS + 6.0
"""A row that is older and not marked was left by a crash, or its relay is trying again."""

OutboxTransaction = Callable[[UUID], AbstractAsyncContextManager[AsyncConnection[Any]]]


class Relay:
    """Publishes what `wake` names, with a bounded number of tenants at a time."""

    def __init__(
        self,
        *,
        schema: str,
        transaction: OutboxTransaction,
        producer: EventProducer,
        generation: Callable[[], int],
        service: str,
        retention_hours: float,
    ) -> None:
        """`transaction` opens one on the tenant's database; `generation` is the broker's as known now."""
        names = {"schema": sql.Identifier(schema), "lock": sql.Literal(f"bezant relay {schema}")}
        self._claim = sql.SQL(
            "SELECT pg_try_advisory_xact_lock(hashtext({lock})), (SELECT broker_generation FROM {schema}.relay_state)"
        ).format(**names)
        self._read = sql.SQL(
            "SELECT n, topic, partition_key, envelope FROM {schema}.outbox "
            "WHERE published_at IS NULL AND n <> ALL (%b::bigint[]) ORDER BY n LIMIT %s"
        ).format(**names)
        self._mark = sql.SQL(
            "UPDATE {schema}.outbox o SET published_at = clock_timestamp() FROM unnest(%b::bigint[]) AS given(n) "
            "CROSS JOIN LATERAL (SELECT ctid FROM {schema}.outbox WHERE outbox.n = given.n OFFSET 0) place "
            "WHERE o.ctid = place.ctid AND (SELECT broker_generation FROM {schema}.relay_state) = %s"
        ).format(**names)
        self._forget_published = sql.SQL(
            "UPDATE {schema}.outbox SET published_at = NULL WHERE published_at IS NOT NULL"
        ).format(**names)
        self._set_generation = sql.SQL("UPDATE {schema}.relay_state SET broker_generation = %s").format(**names)
        self._prune = sql.SQL(
            "DELETE FROM {schema}.outbox WHERE published_at < clock_timestamp() - make_interval(hours => %s)"
        ).format(**names)
        # The oldest row that is not marked is at the front of its index. A young one may be in the memory of the
        # process that wrote it, confirmed by the broker or about to be.
        self._look = sql.SQL(
            "SELECT (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 FROM {schema}.outbox "
            "WHERE published_at IS NULL ORDER BY n LIMIT 1), "
            "(SELECT broker_generation FROM {schema}.relay_state), "
            "EXISTS (SELECT FROM (SELECT created_at FROM {schema}.outbox ORDER BY n DESC LIMIT 1) newest "
            "WHERE created_at > clock_timestamp() - make_interval(secs => %s))"
        ).format(**names)
        self._retention_hours = int(retention_hours)
        self._transaction = transaction
        self._producer = producer
        self._generation = generation
        self._service = service
        self._waiting: dict[UUID, None] = {}
        self._again: set[UUID] = set()
        self._resting: set[UUID] = set()
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._failures: dict[UUID, int] = {}
        self._stopping = False
        self._fresh = FreshEvents(
            producer, generation=generation, mark=self._mark_published, failed=self.wake, service=service
        )

    def committed(self, tenant_id: UUID, rows: Sequence[OutboxRow]) -> None:
        """Publish rows that were just committed. Returns at once."""
        if not self._stopping and all(row.opens for row in rows) and self._fresh.add(tenant_id, rows):
            return
        self.wake(tenant_id)

    async def _mark_published(self, tenant_id: UUID, numbers: list[int], generation: int) -> bool:
        """Mark rows that a broker of this generation has; False when another relay works on the outbox just now.

        Under the lock, since a relay that sees a new generation takes every mark back.
        """
        async with self._transaction(tenant_id) as connection:
            row = await (await connection.execute(self._claim, prepare=True)).fetchone()
            assert row is not None
            if row[0]:
                await connection.execute(self._mark, (numbers, generation), prepare=True)
            return bool(row[0])

    def wake(self, tenant_id: UUID) -> None:
        """Say that the tenant's outbox may hold something new. Returns at once."""
        if tenant_id in self._running or tenant_id in self._resting:
            self._again.add(tenant_id)
        elif len(self._running) < _CONCURRENT_TENANTS:
            self._start(tenant_id)
        else:
            self._waiting[tenant_id] = None

    def _start(self, tenant_id: UUID) -> None:
        began = time.monotonic()
        task = asyncio.create_task(self._relay(tenant_id))
        self._running[tenant_id] = task
        task.add_done_callback(lambda _: self._finished(tenant_id, took_seconds=time.monotonic() - began))

    def _finished(self, tenant_id: UUID, *, took_seconds: float) -> None:
        self._running.pop(tenant_id, None)
        if self._stopping:
            return
        rest_seconds = min(_LONGEST_REST_SECONDS, took_seconds * _REST_FACTOR)
        self._resting.add(tenant_id)
        asyncio.get_running_loop().call_later(rest_seconds, self._rested, tenant_id)
        while self._waiting and len(self._running) < _CONCURRENT_TENANTS:
            following = next(iter(self._waiting))
            del self._waiting[following]
            self._start(following)

    def _rested(self, tenant_id: UUID) -> None:
        self._resting.discard(tenant_id)
        if tenant_id in self._again:
            self._again.discard(tenant_id)
            self._wake_unless_stopping(tenant_id)

    async def _relay(self, tenant_id: UUID) -> None:
        try:
            await self.drain(tenant_id)
        except (TenantNotActive, NotFound):
            self._failures.pop(tenant_id, None)
        except (Problem, psycopg.Error) as error:
            failures = self._failures.get(tenant_id, 0)
            self._failures[tenant_id] = failures + 1
            RELAY_FAILURES.labels(service=self._service).inc()
            if failures == 0:
                _log.warning("events of tenant %s wait in the outbox: %s: %s", tenant_id, type(error).__name__, error)
            delay = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
            asyncio.get_running_loop().call_later(delay, self._wake_unless_stopping, tenant_id)
        except Exception:
            _log.exception("the relay of tenant %s failed", tenant_id)
            asyncio.get_running_loop().call_later(_RETRY_SECONDS[-1], self._wake_unless_stopping, tenant_id)
        else:
            self._failures.pop(tenant_id, None)

    def _wake_unless_stopping(self, tenant_id: UUID) -> None:
        if not self._stopping:
            self.wake(tenant_id)

    async def drain(self, tenant_id: UUID) -> int:
        """Publish until nothing is left, and return how many events. Another relay at work counts as nothing left."""
        total = 0
        while True:
            published = await self._publish_batch(tenant_id)
            total += published
            if published < _BATCH:
                return total

    async def _publish_batch(self, tenant_id: UUID) -> int:
        if not self._producer.reachable:
            # The broker's watch keeps trying; no transaction is held open for a broker that is away.
            raise BrokerUnavailable("the broker did not answer before")
        async with self._transaction(tenant_id) as connection:
            row = await (await connection.execute(self._claim)).fetchone()
            assert row is not None
            locked, generation = row
            if not locked:
                # The relay that holds the lock read before our row was committed, perhaps: look again.
                self._again.add(tenant_id)
                return 0
            if generation < self._generation():
                generation = self._generation()
                await connection.execute(self._forget_published)
                await connection.execute(self._set_generation, (generation,))
                _log.warning("the broker was emptied: publishing the retained events of tenant %s again", tenant_id)
            # What this process has in memory it has published, or is about to. Queueing that first keeps the order.
            in_memory = self._fresh.hand_over(tenant_id)
            rows = await (await connection.execute(self._read, (in_memory, _BATCH))).fetchall()
            if not rows:
                return 0
            await self._producer.publish([(topic, key, envelope) for _, topic, key, envelope in rows])
            failpoint(f"relay.after_publishing.{self._service}")
            await connection.execute(self._mark, ([row[0] for row in rows], generation))
            RELAYED_EVENTS.labels(service=self._service).inc(len(rows))
            return len(rows)

    async def drain_when_due(self, tenant_id: UUID) -> datetime | None:
        """Due-work handler: publish what a crash left, and look again while the tenant is busy."""
        async with self._transaction(tenant_id) as connection:
            cursor = await connection.execute(self._look, (GUARD_SECONDS,), prepare=True)
            row = await cursor.fetchone()
            assert row is not None
            oldest_seconds, generation, busy = row
            await connection.execute(self._prune, (self._retention_hours,), prepare=True)
        now = datetime.now(UTC)
        if generation < self._generation() or (oldest_seconds or 0.0) > _LEFT_SECONDS:
            await self.drain(tenant_id)
        elif oldest_seconds is not None:
            return now + timedelta(seconds=_LEFT_SECONDS - oldest_seconds + 0.1)
        return now + timedelta(seconds=GUARD_SECONDS) if busy else None

    async def close(self) -> None:
        """Publish what was committed so far and stop; what does not get through waits in the outbox for others."""
        self._stopping = True
        await self._fresh.close()
        for tenant_id in {*self._waiting, *self._again} - self._running.keys():
            self._start(tenant_id)
        self._waiting.clear()
        self._again.clear()
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=6)
