"""Wire the transaction service."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from bezant.foundation.approvals import APPROVALS, Approvals
from bezant.foundation.idempotency import prune_keys
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.transaction.api.internal import internal_routes
from bezant.services.transaction.api.public import public_router
from bezant.services.transaction.operations.expire_holds import expire_holds
from bezant.services.transaction.operations.reverse_when_approved import REVERSE_TRANSFER, reversal_executor
from bezant.services.transaction.operations.schedule_expiries import HOLD_EXPIRY, ExpiryHints
from bezant.services.transaction.operations.write_group import Writer

KEY_RETENTION: Final = "key_retention"
_PRUNE_EVERY: Final = timedelta(hours=6)


def build(context: ServiceContext) -> ServiceParts:
    """Return the parts of the transaction service."""
    databases = context.databases
    writer = Writer(databases, ExpiryHints(context.due_work))
    approvals = Approvals(context.control, context.directory)

    async def expire(tenant_id: UUID) -> datetime | None:
        return await expire_holds(databases, tenant_id)

    async def execute(tenant_id: UUID) -> datetime | None:
        return await approvals.execute(tenant_id, {REVERSE_TRANSFER: reversal_executor(writer)})

    async def prune(tenant_id: UUID) -> datetime:
        async with databases.transaction(tenant_id) as tx:
            await prune_keys(tx.connection, databases.schema)
        return datetime.now(UTC) + _PRUNE_EVERY

    return ServiceParts(
        routers=[public_router(databases, writer, approvals)],
        internal=internal_routes(databases, writer),
        due_work={HOLD_EXPIRY: expire, KEY_RETENTION: prune, APPROVALS: execute},
        on_stop=[writer.drain],
    )
