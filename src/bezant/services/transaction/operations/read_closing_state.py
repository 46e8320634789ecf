"""Say what stands in the way of closing the tenant."""

from uuid import UUID

from bezant.contracts.internal.ledger import ClosingState
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.storage import HISTORY_QUERIES


async def read_closing_state(databases: TenantDatabases, tenant_id: UUID) -> ClosingState:
    """Return how many holds are open and how many customers and merchants still have a balance."""

    async def work(tx: TenantTransaction) -> ClosingState:
        row = await tx.fetch_one(HISTORY_QUERIES["closing_state"])
        assert row is not None
        return ClosingState(open_holds=row[0], accounts_with_customer_balance=row[1])

    return await databases.run(tenant_id, work)
