"""Due work: finish what a crash, or a call without an answer, left unfinished."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from bezant.foundation.due_work import GUARD_SECONDS
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.account.operations.change_account import ChangeAccounts
from bezant.services.account.operations.open_account import OpenAccounts
from bezant.services.account.storage import QUERIES


async def finish_unfinished(
    databases: TenantDatabases,
    opening: OpenAccounts,
    changing: ChangeAccounts,
    tenant_id: UUID,
    *,
    older_than_seconds: float,
) -> datetime | None:
    """Finish openings and changes that are older than the given time, and return when to look again.

    Younger ones may still be under way in the process that began them; finishing those too would do no harm,
    only work twice.
    """

    async def read(tx: TenantTransaction) -> list[tuple[UUID, bool]]:
        rows = await tx.fetch_all(QUERIES["unfinished"], {"older_than_seconds": older_than_seconds})
        return [(row[0], row[1]) for row in rows]

    for account_id, is_opening in await databases.run(tenant_id, read):
        if is_opening:
            await opening.finish(tenant_id, account_id)
        else:
            await changing.finish(tenant_id, account_id)

    async def remaining(tx: TenantTransaction) -> bool:
        row = await tx.fetch_one(QUERIES["any_unfinished"])
        return row is not None and bool(row[0])

    if await databases.run(tenant_id, remaining):
        return datetime.now(UTC) + timedelta(seconds=GUARD_SECONDS / 2)
    return None
