"""Access to the control database: a small pool of this process, and the queries that every service runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString

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


class ControlUnavailable(Unavailable):
    """The control database does not answer."""

    code = "control_unavailable"


class ControlDatabase:
    """The control database as one service sees it, with that service's own role."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]], *, service: str, settings: Settings) -> None:
        self._pool = pool
        self._renewal = Renewal(pool)
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

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Run the block in one transaction. Raises `ControlUnavailable` when the database does not answer."""
        lent_at = 0.0
        try:
            async with (
                asyncio.timeout(self.settings.transaction_timeout_seconds),
                self._pool.connection() as connection,
            ):
                lent_at = time.monotonic()
                yield connection
        except (PoolTimeout, PoolClosed, psycopg.OperationalError, TimeoutError) as error:
            if is_connection_loss(error):
                await self._renewal.lost(lent_at)
            raise ControlUnavailable(
                "the control database does not answer; try again in a moment", retry_after_seconds=2
            ) from error

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
