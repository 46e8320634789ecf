"""The inbox: each event takes effect once, however often it is delivered."""

from collections.abc import Sequence

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
