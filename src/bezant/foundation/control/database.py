"""Access to the control database: a small pool of this process, and the queries that every service runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from bezant.contracts.problems import Unavailable
from bezant.foundation.database import connection_parameters, load_queries
from bezant.foundation.database.renewal import Renewal
from bezant.foundation.database.transient import is_connection_loss
from bezant.foundation.secrets import SecretStore, control_secret_name
from bezant.foundation.settings import Settings

QUERIES = load_queries("bezant.foundation.control", "queries.sql")
_AWAY_CHECKOUT_SECONDS: Final = 0.5
_AWAY_TRANSACTION_SECONDS: Final = 2.0
"""While the control database is away each attempt is short: it is one of many, and requests wait behind some."""
_BUSY: Final = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
)


class ControlUnavailable(Unavailable):
    """The control database does not answer."""

    code = "control_unavailable"


class ControlDatabase:
    """The control database as one service sees it, with that service's own role."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]], *, service: str, settings: Settings) -> None:
        self._pool = pool
        self._renewal = Renewal(pool)
        self._away_since: float | None = None
        self.service = service
        self.settings = settings

    @classmethod
    async def open(
        cls, *, service: str, settings: Settings, secrets: SecretStore, max_size: int = 6
    ) -> "ControlDatabase":
        """Open the pool with the credential in the secret store and connect once.

        Raises `SecretMissing`, `ControlUnavailable`.
        """
        credential = await secrets.read(control_secret_name(service))
        parameters = connection_parameters(
            settings,
            host=settings.control_database_host,
            port=settings.control_database_port,
            dbname=settings.control_database_name,
            user=credential["user"],
            password=credential["password"],
            application=settings.instance_id,
        )
        pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            kwargs=parameters,
            min_size=1,
            max_size=max_size,
            timeout=settings.pool_checkout_timeout_seconds,
            max_idle=60,
            num_workers=1,
            # the pauses between attempts to connect would grow to minutes, and so would an outage
            reconnect_timeout=1.0,
            open=False,
            name="control",
            check=None,
        )
        try:
            await pool.open(wait=True, timeout=10)
        except PoolTimeout as error:
            await pool.close()
            raise ControlUnavailable(
                f"the control database at {settings.control_database_host}:{settings.control_database_port} "
                "does not answer",
                retry_after_seconds=2,
            ) from error
        return cls(pool, service=service, settings=settings)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=2)

    @property
    def away_seconds(self) -> float:
        """For how long it has not answered, as far as this process knows; 0.0 when it last did."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    def doubt(self) -> None:
        """Note that it does not answer, until a transaction succeeds: somebody has waited in vain."""
        if self._away_since is None:
            self._away_since = time.monotonic()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Run the block in one transaction. Raises `ControlUnavailable` when the database does not answer."""
        lent_at = 0.0
        limit_seconds = self.settings.transaction_timeout_seconds
        checkout_seconds = self.settings.pool_checkout_timeout_seconds
        if self._away_since is not None:
            limit_seconds = min(limit_seconds, _AWAY_TRANSACTION_SECONDS)
            checkout_seconds = min(checkout_seconds, _AWAY_CHECKOUT_SECONDS)
        try:
            async with asyncio.timeout(limit_seconds), self._pool.connection(timeout=checkout_seconds) as connection:
                lent_at = time.monotonic()
                yield connection
        except (
            PoolTimeout,
            PoolClosed,
            psycopg.OperationalError,
            psycopg.errors.ReadOnlySqlTransaction,
            TimeoutError,
        ) as error:
            # A writer that has become a reader is as good as away: new connections find the new writer.
            if is_connection_loss(error) or isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                await self._renewal.lost(lent_at)
            if isinstance(error, _BUSY):
                # It answers; only this row is held by somebody else.
                self._away_since = None
            else:
                self.doubt()
            raise ControlUnavailable(
                "the control database does not answer; try again in a moment", retry_after_seconds=2
            ) from error
        else:
            self._away_since = None

    async def fetch_all(
        self, sql: LiteralString, params: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run one statement in its own transaction and return its rows."""
        async with self.transaction() as connection:
            return await (await connection.execute(sql, params)).fetchall()

    async def fetch_one(
        self, sql: LiteralString, params: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> tuple[Any, ...] | None:
        """Run one statement in its own transaction and return its first row."""
        async with self.transaction() as connection:
            return await (await connection.execute(sql, params)).fetchone()

    async def execute(self, sql: LiteralString, params: Mapping[str, Any] | Sequence[Any] | None = None) -> int:
        """Run one statement in its own transaction and return how many rows it touched."""
        async with self.transaction() as connection:
            return (await connection.execute(sql, params)).rowcount
