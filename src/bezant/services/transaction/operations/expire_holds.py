"""Release the holds whose time is over; run as due work by whichever replica claims it."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bezant.contracts.identifiers import new_id
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.domain.book import ExpireHold, Submitted
from bezant.services.transaction.operations.post_group import Posting, post_group
from bezant.services.transaction.storage import QUERIES

_AT_ONCE: Final = 200


async def expire_holds(databases: TenantDatabases, tenant_id: UUID) -> datetime | None:
    """Expire everything that is due and return when the next hold expires, None when there is none.

    Two replicas may do this at once: the second finds the holds resolved and is refused, which changes nothing.
    """
    while True:
        due = await databases.run(tenant_id, _due)
        if not due:
            break
        outcomes = await post_group(
            databases,
            tenant_id,
            [Posting(Submitted(ExpireHold(new_id(), transfer_id), origin)) for transfer_id, origin in due],
        )
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
    return await databases.run(tenant_id, _next_expiry)


async def _due(tx: TenantTransaction) -> list[tuple[Any, ...]]:
    return await tx.fetch_all(QUERIES["due_holds"], {"limit": _AT_ONCE})


async def _next_expiry(tx: TenantTransaction) -> datetime | None:
    row = await tx.fetch_one(QUERIES["next_expiry"])
    return row[0] if row is not None else None
