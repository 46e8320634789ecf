"""One transaction on one tenant's database, with the events that it makes."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from bezant.contracts.events import Event
from bezant.foundation.tenancy.outbox import (
    OutboxRow,
    insertion,
    numbered,
    parameters_of,
    row_of,
    with_outbox,
)

Params = Mapping[str, Any] | Sequence[Any] | None


class TenantTransaction:
    """A running transaction. Rows are tuples. Events are written as outbox rows just before the commit."""

    def __init__(self, connection: AsyncConnection[Any], *, tenant_id: UUID, schema: str, source: str) -> None:
        self.connection = connection
        self.tenant_id = tenant_id
        self._schema = schema
        self._source = source
        self._events: list[Event] = []
        self._written: list[OutboxRow] = []

    async def fetch_all(self, query: LiteralString, params: Params = None) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows."""
        return await (await self.connection.execute(query, params, prepare=True)).fetchall()

    async def fetch_one(self, query: LiteralString, params: Params = None) -> tuple[Any, ...] | None:
        """Run a statement and return its first row, if any."""
        return await (await self.connection.execute(query, params)).fetchone()

    async def execute(self, query: LiteralString, params: Params = None) -> int:
        """Run a statement and return how many rows it touched."""
        return (await self.connection.execute(query, params)).rowcount

    def emit(self, event: Event) -> None:
        """Add an event to this transaction: it is published if, and only if, the transaction commits."""
        self._events.append(event)

    async def announce(
        self, query: LiteralString, params: Mapping[str, Any], events: Sequence[tuple[UUID, Event]]
    ) -> list[tuple[Any, ...]]:
        """Run a statement that writes events as outbox rows (see `TenantDatabases.announce`) and return its rows."""
        outgoing = [row_of(event, self.tenant_id, self._source) for _, event in events]
        owners = [owner for owner, _ in events]
        statement = with_outbox(self._schema, query)
        given = {**params, **parameters_of(outgoing, owners)}
        rows = await (await self.connection.execute(statement, given, prepare=True)).fetchall()
        self._written += numbered(outgoing, rows[0][-1]) if rows else ()
        return [row[:-1] for row in rows]

    @property
    def emitted(self) -> bool:
        """Whether the transaction has made events."""
        return bool(self._events or self._written)

    async def write_outbox(self) -> list[OutboxRow]:
        """Insert the events as outbox rows, all in one statement, in the order of their emission.

        Returns every row that the transaction has written.
        """
        if self._events:
            rows = [row_of(event, self.tenant_id, self._source) for event in self._events]
            self._events.clear()
            cursor = await self.connection.execute(insertion(self._schema), parameters_of(rows), prepare=True)
            self._written += numbered(rows, [(place, n) for place, (n,) in enumerate(await cursor.fetchall(), 1)])
        return self._written
