"""Administrative acts, each written in the transaction that does it."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from bezant.contracts.identifiers import new_id
from bezant.services.tenant.sagas.steps import QUERIES


async def record_act(
    connection: AsyncConnection[Any],
    act: str,
    *,
    actor: str,
    subject: str,
    tenant_id: UUID | None = None,
    **details: Any,
) -> UUID:
    """Write down who did what to what, in the caller's transaction; return the act's id. `details` hold no secrets.

    An act that an event follows has that event's type as its name; for those of the platform `platform.<what>`.
    """
    act_id = new_id()
    await connection.execute(
        QUERIES["insert_act"],
        {
            "id": act_id,
            "actor": actor,
            "act": act,
            "tenant_id": tenant_id,
            "subject": subject,
            "details": Jsonb(details),
        },
    )
    return act_id
