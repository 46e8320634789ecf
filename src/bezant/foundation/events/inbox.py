"""The inbox: each event takes effect once, however often it is delivered."""

from collections.abc import Sequence
from uuid import UUID

from psycopg import sql

from bezant.contracts.events import ReceivedEvent
from bezant.foundation.tenancy.transaction import TenantTransaction


async def claim_new(
    transaction: TenantTransaction, schema: str, events: Sequence[ReceivedEvent]
) -> list[ReceivedEvent]:
    """Return the events that have not been handled before, in their order, and mark them as handled.

    The marks commit or roll back with the effects of the same transaction.
    """
    statement = sql.SQL(
        "INSERT INTO {}.inbox (event_id) SELECT unnest(%b::uuid[]) ON CONFLICT DO NOTHING RETURNING event_id"
    ).format(sql.Identifier(schema))
    ids = list(dict.fromkeys(event.id for event in events))
    cursor = await transaction.connection.execute(statement, (ids,))
    fresh = {row[0] for row in await cursor.fetchall()}
    claimed = []
    for event in events:
        if event.id in fresh:
            fresh.remove(event.id)
            claimed.append(event)
    return claimed


async def prune_inbox(transaction: TenantTransaction, schema: str, *, before: UUID, limit: int) -> int:
    """Forget the oldest events below an event id (`identifiers.first_id_at`), and return how many: `limit` at most.

    Event ids are in the order of their making. Keep marks for longer than the outboxes keep what they published:
    an emptied broker has that published again.
    """
    statement = sql.SQL(
        "DELETE FROM {0}.inbox WHERE event_id IN "
        "(SELECT event_id FROM {0}.inbox WHERE event_id < %s ORDER BY event_id LIMIT %s)"
    ).format(sql.Identifier(schema))
    return (await transaction.connection.execute(statement, (before, limit))).rowcount
