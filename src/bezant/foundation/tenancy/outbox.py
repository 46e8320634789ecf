"""Outbox rows: how events are written in the transaction that made them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import LiteralString
from uuid import UUID

import msgspec
from opentelemetry import propagate

from bezant.contracts.events import Event

_encoder = msgspec.json.Encoder()

# Rows go as one JSON document: psycopg would spend more on an array for each column than msgspec on all of them. An
# envelope is JSON itself and stands there as it is; PostgreSQL's type json keeps its text to the letter.
_INSERTION: LiteralString = """
INSERT INTO {schema}.outbox (event_id, topic, partition_key, envelope)
SELECT event_id, topic, partition_key, envelope::text
FROM json_to_recordset(%(events)s::json)
  AS e(place bigint, event_id uuid, topic text, partition_key text, envelope json)
ORDER BY place RETURNING n
"""
_OF_CTE: LiteralString = """
, announcing AS MATERIALIZED (
  SELECT e.* FROM json_to_recordset(%(events)s::json)
    AS e(place bigint, owner uuid, event_id uuid, topic text, partition_key text, envelope json)
  WHERE e.owner IN (SELECT id FROM {cte}) ORDER BY place
), written AS (
  INSERT INTO {schema}.outbox (event_id, topic, partition_key, envelope)
  SELECT event_id, topic, partition_key, envelope::text FROM announcing ORDER BY place RETURNING n, event_id
), announced AS (
  SELECT array_agg(ARRAY[a.place, w.n]) AS numbers FROM announcing a JOIN written w USING (event_id)
)
"""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An event as it stands in the outbox, before its number is known (0) or after."""

    event_id: UUID
    topic: str
    partition_key: str
    envelope: bytes
    opens: bool
    """Whether no earlier event of its aggregate can be waiting to be published."""
    n: int = 0


def row_of(event: Event, tenant_id: UUID, source: str) -> OutboxRow:
    """Return the row of an event; it carries the trace of the transaction that it is written in."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    envelope = event.envelope(tenant_id, source, carrier.get("traceparent"))
    return OutboxRow(event.id, event.topic, event.partition_key(tenant_id), envelope, event.opens)


@cache
def insertion(schema: str) -> LiteralString:
    """Return the statement that inserts rows by `parameters_of` and returns their numbers, in order."""
    return _INSERTION.replace("{schema}", schema)


class _Row(msgspec.Struct):
    place: int
    owner: UUID | None
    event_id: UUID
    topic: str
    partition_key: str
    envelope: msgspec.Raw


def parameters_of(rows: Sequence[OutboxRow], owners: Sequence[UUID] | None = None) -> dict[str, str]:
    """Return the parameters of `insertion`, or with an owner for each row those that `with_outbox` adds."""
    document = [
        _Row(
            place,
            None if owners is None else owners[place - 1],
            row.event_id,
            row.topic,
            row.partition_key,
            msgspec.Raw(row.envelope),
        )
        for place, row in enumerate(rows, 1)
    ]
    return {"events": _encoder.encode(document).decode()}


def numbered(rows: Sequence[OutboxRow], numbers: Sequence[tuple[int, int]] | None) -> list[OutboxRow]:
    """Return the rows that were written, by what `announced.numbers` says: pairs of place, from 1, and number."""
    return [replace(rows[place - 1], n=n) for place, n in sorted(numbers or ())]


@cache
def with_outbox(schema: str, query: LiteralString) -> LiteralString:
    """Return the query with the outbox of one of its CTEs in place of `/* outbox of X */`.

    X has a column `id`; a row is written if its owner is among them. The numbers of the rows that were are
    `(SELECT numbers FROM announced)`. Raises `ValueError` when the query has no such place.
    """
    before, mark, rest = query.partition("/* outbox of ")
    cte, end, after = rest.partition(" */")
    if not mark or not end:
        raise ValueError("the statement has no `/* outbox of X */`")
    return before + _OF_CTE.replace("{schema}", schema).replace("{cte}", cte) + after
