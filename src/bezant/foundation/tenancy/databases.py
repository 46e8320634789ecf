"""The tenant connection pool manager: every tenant database as one service process sees it."""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
from psycopg import sql

from bezant.contracts.events import Event
from bezant.contracts.fleet import SERVICES
from bezant.contracts.problems import TenantNotActive, TenantUnavailable
from bezant.foundation.control.directory import TenantDirectory, TenantRecord
from bezant.foundation.database import connection_parameters, is_transient
from bezant.foundation.secrets import SecretMissing, SecretStore, tenant_secret_name
from bezant.foundation.secrets.store import SecretStoreUnavailable
from bezant.foundation.settings import Settings
from bezant.foundation.tenancy.outbox import OutboxRow, numbered, parameters_of, row_of, with_outbox
from bezant.foundation.tenancy.pools import TenantPool, gated_connections
from bezant.foundation.tenancy.transaction import Params, TenantTransaction

T = TypeVar("T")
_log = logging.getLogger(__name__)
_SERVED = frozenset({"onboarding", "active", "suspended", "closing"})
_GROW_AFTER_SECONDS = 0.05
"""A pool grows when somebody has waited that long. Groups that end within milliseconds need no second connection, and
two that take turns are slower than one whose caches are warm."""
_KEPT_FREE = 16
"""One in so many connections of the budget is kept free, so that a newcomer need not wait for an eviction."""


class TenantDatabases:
    """Transactions on tenant databases, for one service's role.

    Pools are made on a tenant's first transaction. While the budget of the process (`process_connection_cap`) is less
    than half used a pool holds `pool_min_connections`, and one connection after that. It grows to
    `pool_max_connections` when its requests wait and the budget has room. When little room is left, a task beside the
    requests closes the least recently used idle pools, so that a newcomer finds some free and no request closes one
    tenant's connection to open another's.
    """

    def __init__(
        self,
        *,
        service: str,
        directory: TenantDirectory,
        secrets: SecretStore,
        settings: Settings,
        before_events: Callable[[UUID], Awaitable[None]],
        on_commit: Callable[[UUID, Sequence[OutboxRow]], None],
    ) -> None:
        """`before_events` is awaited before a transaction that made events commits: it leaves the hint by which
        another process finds them after a crash. `on_commit` is told the tenant and its outbox rows after it.
        """
        schema = SERVICES[service].schema
        if schema is None:
            raise ValueError(f"the {service} service keeps nothing in tenant databases")
        self._service = service
        self._schema = schema
        self._directory = directory
        self._secrets = secrets
        self._settings = settings
        self._before_events = before_events
        self._on_commit = on_commit
        # A reader endpoint that is the writer (a laptop, a cluster without readers) shares the writer's pool.
        self._pools: OrderedDict[tuple[UUID, str], TenantPool] = OrderedDict()
        self._opening: dict[tuple[UUID, str], asyncio.Task[TenantPool]] = {}
        # How many transactions are on their way into each pool, which must not be evicted from under them.
        self._entering: Counter[tuple[UUID, str]] = Counter()
        self._budget_lock = asyncio.Lock()
        self._connection_class = gated_connections()
        self._ending_connections = 0
        self._trimming: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._growing: set[asyncio.Task[None]] = set()

    @property
    def schema(self) -> str:
        """The schema of this service in every tenant database."""
        return self._schema

    @property
    def granted_connections(self) -> int:
        """How many connections the resident pools may hold together; never above the cap."""
        return sum(pool.granted for pool in self._pools.values()) + self._ending_connections

    def resident_pools(self) -> list[TenantPool]:
        """Return the pools of this moment, least recently used first."""
        return list(self._pools.values())

    @asynccontextmanager
    async def transaction(
        self, tenant_id: UUID, *, read_only: bool = False, timeout_seconds: float | None = None
    ) -> AsyncIterator[TenantTransaction]:
        """Run the block in one transaction on the tenant's database and commit it.

        `read_only` goes to the reader endpoint where there is one. `timeout_seconds` is for the rare transaction
        that is about all rows, such as the ledger check. Raises `NotFound` for an unknown tenant,
        `TenantNotActive` before it is provisioned and after it is closed, `TenantUnavailable` when its
        database does not answer; then nothing was committed, or (for a commit that was cut off) it is not
        known, which is why every write is idempotent.
        """
        pool = await self._pool(tenant_id, "reader" if read_only else "writer")
        # No await between here and the pool's own count of its users: nothing can evict it in between.
        written: list[OutboxRow] = []
        try:
            limit_seconds = timeout_seconds or self._settings.transaction_timeout_seconds
            async with pool.connection(limit_seconds) as connection, connection.transaction():
                transaction = TenantTransaction(
                    connection, tenant_id=tenant_id, schema=self._schema, source=self._service
                )
                if timeout_seconds is not None:
                    limit = sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(int(timeout_seconds * 1000)))
                    await connection.execute(limit)
                if read_only:
                    await connection.execute("SET TRANSACTION READ ONLY")
                yield transaction
                if transaction.emitted:
                    await self._before_events(tenant_id)
                    written = await transaction.write_outbox()
        except psycopg.errors.ReadOnlySqlTransaction:
            if not read_only:
                # The writer has become a reader: let every connection go, so that new ones find the new writer.
                await pool.drain()
            raise
        if written:
            self._on_commit(tenant_id, written)

    async def fetch(
        self, tenant_id: UUID, query: LiteralString, params: Params = None, *, read_only: bool = False
    ) -> list[tuple[Any, ...]]:
        """Run one statement that is a transaction by itself and return its rows.

        One round trip instead of three: for a single statement BEGIN and COMMIT add nothing. Raises what
        `transaction` raises, and `psycopg.Error`.
        """
        pool = await self._pool(tenant_id, "reader" if read_only else "writer")
        try:
            async with pool.connection(self._settings.transaction_timeout_seconds) as connection:
                cursor = await connection.execute(query, params, prepare=True)
                return await cursor.fetchall() if cursor.description else []
        except psycopg.errors.ReadOnlySqlTransaction:
            if not read_only:
                await pool.drain()
            raise

    async def announce(
        self,
        tenant_id: UUID,
        query: LiteralString,
        params: Mapping[str, Any],
        events: Sequence[tuple[UUID, Event]],
    ) -> list[tuple[Any, ...]]:
        """Run one idempotent statement that is a transaction by itself and writes its events as outbox rows.

        The statement holds `/* outbox of X */` before its last SELECT, X being one of its CTEs with a column `id`:
        an event becomes an outbox row if its id, the first of each pair, is among those of X, in the order given. The
        last column that the statement returns is `(SELECT numbers FROM announced)`; it is not returned here.
        Each event has to be the first of its aggregate or to follow the first in the same statement. The statement
        is run again on another connection if it failed for a passing reason. Raises what `run` raises.
        """
        outgoing = [row_of(event, tenant_id, self._service) for _, event in events]
        given = {**params, **parameters_of(outgoing, [owner for owner, _ in events])}
        statement = with_outbox(self._schema, query)
        await self._before_events(tenant_id)
        rows = await self._attempted(tenant_id, lambda: self.fetch(tenant_id, statement, given), attempts=3)
        if rows and (written := numbered(outgoing, rows[0][-1])):
            self._on_commit(tenant_id, written)
        return [row[:-1] for row in rows]

    async def run(
        self,
        tenant_id: UUID,
        work: Callable[[TenantTransaction], Awaitable[T]],
        *,
        attempts: int = 3,
        read_only: bool = False,
        timeout_seconds: float | None = None,
    ) -> T:
        """Run idempotent work in a transaction, again on another connection if it failed for a passing reason.

        Raises what `transaction` raises; a database error that no retry mended becomes `TenantUnavailable`.
        """

        async def once() -> T:
            async with self.transaction(tenant_id, read_only=read_only, timeout_seconds=timeout_seconds) as transaction:
                return await work(transaction)

        return await self._attempted(tenant_id, once, attempts=attempts)

    async def _attempted(self, tenant_id: UUID, once: Callable[[], Awaitable[T]], *, attempts: int) -> T:
        for attempt in range(1, attempts + 1):
            try:
                return await once()
            except psycopg.Error as error:
                if not is_transient(error):
                    raise
                if attempt == attempts:
                    raise TenantUnavailable(
                        "the database of this tenant does not answer; send the request again with the same "
                        "Idempotency-Key",
                        retry_after_seconds=2,
                    ) from error
                _log.info("retrying on tenant %s after %s", tenant_id, type(error).__name__)
        raise AssertionError("unreachable")

    async def warm(self, tenant_id: UUID) -> int:
        """Open the tenant's pool, connect once, and return the credential version that worked."""
        record = await self._directory.refresh(tenant_id)
        async with self.transaction(tenant_id) as transaction:
            await transaction.execute("SELECT 1")
        return record.credential_version

    async def refresh_credential(self, tenant_id: UUID) -> int:
        """Replace the tenant's connections by ones with the current credential; work in flight is not cut.

        Returns the version of the credential that connected.
        """
        for kind in ("writer", "reader"):
            pool = self._pools.get((tenant_id, kind))
            if pool is not None:
                await pool.drain()
        return await self.warm(tenant_id)

    async def forget(self, tenant_id: UUID) -> None:
        """Close the tenant's pools: it was closed, or it moved."""
        self._directory.forget(tenant_id)
        for kind in ("writer", "reader"):
            pool = self._pools.pop((tenant_id, kind), None)
            if pool is not None:
                await pool.close()

    async def evict_idle(self) -> int:
        """Close pools that were not used for `pool_idle_seconds` and take back what others do not need."""
        horizon = time.monotonic() - self._settings.pool_idle_seconds
        evicted = 0
        for key, pool in list(self._pools.items()):
            # The dictionary may have changed while another pool was being closed.
            if self._pools.get(key) is not pool or pool.in_use or self._entering[key]:
                continue
            if pool.last_used < horizon:
                del self._pools[key]
                await pool.close()
                evicted += 1
            elif pool.granted > self._settings.pool_min_connections:
                wanted = max(self._settings.pool_min_connections, pool.stats().get("pool_size", 0))
                if wanted < pool.granted:
                    await pool.resize(wanted)
        return evicted

    async def close(self) -> None:
        """Close every pool."""
        pools = list(self._pools.values())
        self._pools.clear()
        if self._trimming is not None:
            await self._trimming
        await asyncio.gather(*(pool.close() for pool in pools))

    async def _pool(self, tenant_id: UUID, kind: str) -> TenantPool:
        record = await self._directory.get(tenant_id)
        if record.status not in _SERVED or record.writer is None:
            record = await self._directory.refresh(tenant_id)
            if record.status not in _SERVED or record.writer is None:
                raise TenantNotActive(f"tenant {record.slug} is {record.status}; it cannot be used now")
        if kind == "reader" and record.reader == record.writer:
            kind = "writer"
        key = (tenant_id, kind)
        self._entering[key] += 1
        try:
            pool = self._pools.get(key)
            if pool is None:
                task = self._opening.get(key)
                if task is None:
                    task = asyncio.create_task(self._open(record, kind))
                    self._opening[key] = task
                    task.add_done_callback(lambda _: self._opening.pop(key, None))
                pool = await asyncio.shield(task)
            else:
                self._pools.move_to_end(key)
            if pool.wants_more and not pool.growing:
                pool.growing = True
                asyncio.get_running_loop().call_later(_GROW_AFTER_SECONDS, self._consider_growth, pool)
            return pool
        finally:
            self._entering[key] -= 1
            if not self._entering[key]:
                del self._entering[key]

    async def _open(self, record: TenantRecord, kind: str) -> TenantPool:
        async with self._budget_lock:
            granted = await self._take()
            pool = TenantPool(
                record.id,
                self._settings,
                self._parameters(record.id, kind),
                granted=granted,
                connection_class=self._connection_class,
                on_idle=self._room.set,
            )
            self._pools[(record.id, kind)] = pool
        await pool.open()
        return pool

    def _consider_growth(self, pool: TenantPool) -> None:
        pool.growing = False
        # While a newcomer waits for room there is none to grow into: the connection that comes back first serves.
        room = self._free > self._kept_free and not self._budget_lock.locked()
        if pool.is_short and room and pool.granted < self._settings.pool_max_connections:
            pool.growing = True
            task = asyncio.create_task(pool.resize(pool.granted + 1))
            self._growing.add(task)
            task.add_done_callback(lambda done: self._grown(pool, done))

    def _grown(self, pool: TenantPool, done: asyncio.Task[None]) -> None:
        self._growing.discard(done)
        pool.growing = pool.is_short
        if pool.growing:
            asyncio.get_running_loop().call_later(_GROW_AFTER_SECONDS, self._consider_growth, pool)

    @property
    def _free(self) -> int:
        return self._settings.process_connection_cap - self.granted_connections

    @property
    def _kept_free(self) -> int:
        return self._settings.process_connection_cap // _KEPT_FREE

    async def _take(self) -> int:
        """Return how many connections a new pool gets. Raises `TenantUnavailable` when there is no room in time."""
        try:
            async with asyncio.timeout(self._settings.pool_checkout_timeout_seconds):
                while self._free < 1:
                    self._room.clear()
                    self._trim()
                    await self._room.wait()
        except TimeoutError as error:
            raise TenantUnavailable(
                "this process serves as many tenants as its connection cap allows at this moment; try again",
                retry_after_seconds=1,
            ) from error
        wanted = self._settings.pool_min_connections
        granted = min(wanted, self._free) if self._free * 2 >= self._settings.process_connection_cap else 1
        if self._free - granted < self._kept_free:
            self._trim()
        return granted

    def _trim(self) -> None:
        if self._trimming is None or self._trimming.done():
            self._trimming = asyncio.create_task(self._make_room())

    async def _make_room(self) -> None:
        """Close idle pools, least recently used first, until as much of the budget is free as is kept free."""
        while self._free < max(1, self._kept_free):
            idle = next((key for key, pool in self._pools.items() if not pool.in_use and not self._entering[key]), None)
            if idle is None:
                return
            pool = self._pools.pop(idle)
            self._ending_connections += pool.granted
            try:
                await pool.close()
            finally:
                self._ending_connections -= pool.granted
                self._room.set()

    def _parameters(self, tenant_id: UUID, kind: str) -> Callable[[], Awaitable[dict[str, Any]]]:
        async def current() -> dict[str, Any]:
            # Asked for each new connection: after a rotation the next connection has the new password.
            try:
                secret = await self._secrets.read(tenant_secret_name(tenant_id, self._service))
            except (SecretMissing, SecretStoreUnavailable) as error:
                raise psycopg.OperationalError(f"no credential for tenant {tenant_id}: {error}") from error
            prefix = f"tenant_{tenant_id}_db"
            url = secret[f"{prefix}_url"] if kind == "writer" else secret[f"{prefix}_reader_url"]
            parts = urlsplit(url)
            return connection_parameters(
                self._settings,
                host=parts.hostname or "",
                port=parts.port or 5432,
                dbname=parts.path.lstrip("/"),
                user=secret[f"{prefix}_user"],
                password=secret[f"{prefix}_password"],
                application=self._settings.instance_id,
            ) | {"autocommit": True}

        return current
