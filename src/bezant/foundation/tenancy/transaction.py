"""One transaction on one tenant's database, with the events that it makes."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from opentelemetry import propagate
from psycopg import AsyncConnection, sql

from bezant.contracts.events import Event

Params = Mapping[str, Any] | Sequence[Any] | None


class TenantTransaction:
    """A running transaction. Rows are tuples. Events are written as outbox rows just before the commit."""

    def __init__(self, connection: AsyncConnection[Any], *, tenant_id: UUID, schema: str, source: str) -> None:
        self.connection = connection
        self.tenant_id = tenant_id
        self._schema = schema
        self._source = source
        self._events: list[Event] = []

    async def fetch_all(self, query: LiteralString, params: Params = None) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows."""
        return await (await self.connection.execute(query, params)).fetchall()

    async def fetch_one(self, query: LiteralString, params: Params = None) -> tuple[Any, ...] | None:
        """Run a statement and return its first row, if any."""
        return await (await self.connection.execute(query, params)).fetchone()

    async def execute(self, query: LiteralString, params: Params = None) -> int:
        """Run a statement and return how many rows it touched."""
        return (await self.connection.execute(query, params)).rowcount

    def emit(self, event: Event) -> None:
        """Add an event to this transaction: it is published if, and only if, the transaction commits."""
        self._events.append(event)

    @property
    def emitted(self) -> bool:
        """Whether the transaction has made events."""
        return bool(self._events)

    async def write_outbox(self) -> None:
        """Insert the events as outbox rows, all in one statement, in the order of their emission."""
        if not self._events:
            return
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        traceparent = carrier.get("traceparent")
        # Envelopes go as one array through the binary protocol (%b): psycopg's text dumper would escape
        # every quote of the JSON.
        statement = sql.SQL(
            "INSERT INTO {}.outbox (event_id, topic, partition_key, envelope) "
            "SELECT * FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[])"
        ).format(sql.Identifier(self._schema))
        await self.connection.execute(
            statement,
            (
                [event.id for event in self._events],
                [event.topic for event in self._events],
                [event.partition_key(self.tenant_id) for event in self._events],
                [event.envelope(self.tenant_id, self._source, traceparent).decode() for event in self._events],
            ),
        )
        self._events.clear()
