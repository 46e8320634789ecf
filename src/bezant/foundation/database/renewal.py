"""Replacing a pool's connections when one of them turns out to be broken.

After a restart or a failover of the server every idle connection in the pool is broken, and each of them would cost
one request before the pool has noticed them all.
"""

import time
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

_FRESH_SECONDS = 2.0


class Renewal:
    """Notices lost connections of one pool and has all of them replaced, once for each incident."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]]) -> None:
        self._pool = pool
        self._renewed_at = 0.0

    async def lost(self, lent_at: float) -> bool:
        """Note that a connection broke that was lent at that time (`time.monotonic`).

        Returns whether the connections had just been replaced and this was a fresh one: then it is the server that
        cannot be used, and not the connection.
        """
        if lent_at <= self._renewed_at:
            return False
        now = time.monotonic()
        if now < self._renewed_at + _FRESH_SECONDS:
            return True
        self._renewed_at = now
        await self._pool.drain()
        return False
