"""Wire the account service."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from bezant.foundation.approvals import APPROVALS, Approvals
from bezant.foundation.idempotency import prune_keys
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.account.api.rendering import account_body
from bezant.services.account.api.routes import accounts_router
from bezant.services.account.ledger import Ledger
from bezant.services.account.operations.change_account import ChangeAccounts
from bezant.services.account.operations.finish_unfinished import finish_unfinished
from bezant.services.account.operations.open_account import UNFINISHED, OpenAccounts
from bezant.services.account.operations.raise_when_approved import RAISE_LIMITS, limits_executor
from bezant.services.account.settings import AccountSettings

KEY_RETENTION: Final = "key_retention"
_PRUNE_EVERY: Final = timedelta(hours=6)


def build(context: ServiceContext) -> ServiceParts:
    """Return the parts of the account service."""
    settings = AccountSettings()
    databases = context.databases
    ledger = Ledger(context.internal)
    opening = OpenAccounts(databases, ledger, context.due_work, account_body)
    changing = ChangeAccounts(databases, ledger, context.due_work)
    approvals = Approvals(context.control, context.directory)

    async def finish(tenant_id: UUID) -> datetime | None:
        return await finish_unfinished(
            databases, opening, changing, tenant_id, older_than_seconds=settings.unfinished_after_seconds
        )

    async def execute(tenant_id: UUID) -> datetime | None:
        return await approvals.execute(tenant_id, {RAISE_LIMITS: limits_executor(changing)})

    async def prune(tenant_id: UUID) -> datetime:
        async with databases.transaction(tenant_id) as tx:
            await prune_keys(tx.connection, databases.schema)
        return datetime.now(UTC) + _PRUNE_EVERY

    return ServiceParts(
        routers=[accounts_router(databases, ledger, opening, changing, approvals)],
        due_work={UNFINISHED: finish, KEY_RETENTION: prune, APPROVALS: execute},
    )
