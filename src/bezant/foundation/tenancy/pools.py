"""One connection pool for one tenant, endpoint and role, on psycopg_pool.

What psycopg_pool does: min and max size, idle shrinking, waiting, reconnecting. What is added here: the
credential is read from the secret store for each new connection, so that a rotation needs no restart; a
circuit, so that a dead database costs its own tenant's requests milliseconds and nobody else anything; a
size that the budget of the process grants; and a gate for each server, so that after a restart of the server its
connections come back a few at a time.
"""

import asyncio
import logging
import os
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from bezant.contracts.problems import TenantUnavailable
from bezant.foundation.database.renewal import Renewal
from bezant.foundation.database.transient import is_bad_credential, is_connection_loss
from bezant.foundation.settings import Settings

# psycopg_pool reports each failed attempt; the pool metrics and the circuit say the same once.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

_log = logging.getLogger(__name__)
ConnectionParameters = Callable[[], Awaitable[dict[str, Any]]]
_CONNECTING_AT_ONCE = 4
_CIRCUIT_SECONDS = 1.0
_WAITING_PER_TENANT = 2000


def gated_connections() -> type[AsyncConnection[Any]]:
    """Return a connection class of which at most a few connect to the same server at the same time.

    Each new connection costs the server a process and a cold catalogue. A thousand at once would leave no processor
    time for those that work already.
    """
    gates: dict[tuple[Any, Any], asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_CONNECTING_AT_ONCE))

    class GatedConnection(AsyncConnection[Any]):
        @classmethod
        async def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
            async with gates[parameters.get("host"), parameters.get("port")]:
                return await super().connect(conninfo, **parameters)

    return GatedConnection


class TenantPool:
    """The connections of one tenant in this process."""

    def __init__(
        self,
        tenant_id: UUID,
        settings: Settings,
        parameters: ConnectionParameters,
        *,
        granted: int,
        connection_class: type[AsyncConnection[Any]] = AsyncConnection,
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        """`parameters` is asked for each new connection; `on_idle` is called when nobody uses the pool any more.

        Connections are in autocommit mode: a statement alone is a transaction. Nothing is opened yet.
        """
        self.tenant_id = tenant_id
        self.granted = granted
        self.in_use = 0
        self.growing = False
        self.last_used = time.monotonic()
        self._lent = 0
        self._on_idle = on_idle
        self._settings = settings
        self._open_again_at = 0.0
        self._probing = False
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            kwargs=parameters,
            connection_class=connection_class,
            min_size=min(settings.pool_min_connections, granted),
            max_size=granted,
            timeout=settings.pool_checkout_timeout_seconds,
            max_waiting=_WAITING_PER_TENANT,
            max_idle=60.0,
            max_lifetime=1800.0,
            reconnect_timeout=1.0,
            num_workers=1,
            open=False,
            name=f"tenant-{tenant_id}",
            check=None,
        )
        self._renewal = Renewal(self._pool)

    async def open(self) -> None:
        """Start the pool; connections come as they can."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close idle connections now, and those in use when they come back."""
        await self._pool.close(timeout=0.5)

    async def resize(self, granted: int) -> None:
        """Set how many connections the pool may hold; one that grows opens them now, for those who wait already."""
        grows = granted > self.granted
        self.granted = granted
        await self._pool.resize(min(self._settings.pool_min_connections, granted), granted)
        if grows:
            # otherwise psycopg_pool would open a connection with the next request only
            await self._pool.check()

    async def drain(self) -> None:
        """Replace every connection by a fresh one, those in use when they come back."""
        await self._pool.drain()

    def stats(self) -> dict[str, int]:
        """Return psycopg_pool's figures: pool_size, pool_available, requests_waiting, requests_wait_ms, ..."""
        return self._pool.get_stats()

    @property
    def wants_more(self) -> bool:
        """Whether every connection is in use, so that the next request would wait."""
        return self.in_use >= self.granted

    @property
    def is_short(self) -> bool:
        """Whether requests wait although every connection that the pool may hold is at work."""
        return self._lent >= self.granted and self.in_use > self._lent

    @asynccontextmanager
    async def connection(self, timeout_seconds: float) -> AsyncIterator[AsyncConnection[Any]]:
        """Lend a connection, in autocommit mode, for one transaction of at most that length.

        Raises `TenantUnavailable` at once while the circuit is open, and after the check-out timeout when no
        connection can be had, or the transaction takes longer than its limit; `psycopg.OperationalError` when the
        connection breaks. One broken connection has all of them replaced; the circuit opens when fresh ones break too.
        """
        probing = self._enter_circuit()
        self.last_used = time.monotonic()
        self.in_use += 1
        lent_at = 0.0
        overdue = False
        try:
            async with self._pool.connection() as connection:
                lent_at = time.monotonic()
                self._lent += 1

                def give_up() -> None:
                    nonlocal overdue
                    overdue = True
                    _break_connection(connection)

                timer = asyncio.get_running_loop().call_later(timeout_seconds, give_up)
                try:
                    yield connection
                finally:
                    self._lent -= 1
                    timer.cancel()
        except (PoolTimeout, PoolClosed, TooManyRequests) as error:
            self._trip(error)
            raise self._unavailable() from error
        except psycopg.OperationalError as error:
            if (is_connection_loss(error) or is_bad_credential(error)) and await self._renewal.lost(lent_at):
                self._trip(error)
            if overdue:
                # Not to be tried again here: whoever waits for the answer would be gone by then.
                raise self._unavailable() from error
            raise
        else:
            self._open_again_at = 0.0
        finally:
            self.in_use -= 1
            if probing:
                self._probing = False
            if not self.in_use:
                self._on_idle()

    def _enter_circuit(self) -> bool:
        """Return whether this request is the probe of an open circuit. Raises when it must not go through."""
        if not self._open_again_at:
            return False
        if self._probing or time.monotonic() < self._open_again_at:
            raise self._unavailable()
        self._probing = True
        return True

    def _trip(self, error: Exception) -> None:
        if not self._open_again_at:
            _log.warning(
                "the database of tenant %s does not answer (%s): %s", self.tenant_id, type(error).__name__, error
            )
        self._open_again_at = time.monotonic() + _CIRCUIT_SECONDS

    def _unavailable(self) -> TenantUnavailable:
        return TenantUnavailable(
            "the database of this tenant does not answer; nothing was changed by this request unless an earlier "
            "answer said so. Send it again with the same Idempotency-Key",
            retry_after_seconds=2,
        )


def _break_connection(connection: AsyncConnection[Any]) -> None:
    """Shut the socket down under a transaction that takes too long.

    A server that is frozen, or whose packets are dropped, never answers a cancel request either; an end of
    file on our own socket is what libpq notices at once.
    """
    if connection.closed:
        return
    duplicate = socket.socket(fileno=os.dup(connection.fileno()))
    try:
        duplicate.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The peer closed it first, which serves as well.
        return
    finally:
        duplicate.close()
