"""Expire payments whose hold has run out."""

import contextlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bezant.contracts.problems import Conflict
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.payment.domain.payments import ActionKind
from bezant.services.payment.operations.act_on_payments import PaymentActions
from bezant.services.payment.operations.begin_actions import ActionOrder
from bezant.services.payment.storage.queries import QUERIES

_RETRY_SECONDS = 5


class Expiries:
    """Due-work handler for holds that have run out."""

    def __init__(self, databases: TenantDatabases, actions: PaymentActions) -> None:
        self._databases = databases
        self._actions = actions

    async def expire(self, tenant_id: UUID) -> datetime | None:
        """Expire what is due and return when the next hold runs out."""

        async def due(transaction: TenantTransaction) -> list[UUID]:
            return [row[0] for row in await transaction.fetch_all(QUERIES["expired_payments"])]

        for payment_id in await self._databases.run(tenant_id, due):
            # A capture or void that was asked for in time is overtaking us.
            with contextlib.suppress(Conflict):
                await self._actions.act(tenant_id, ActionOrder(payment_id, ActionKind.EXPIRE, "service:payment"))

        async def following(transaction: TenantTransaction) -> datetime | None:
            row = await transaction.fetch_one(QUERIES["next_expiry"])
            return row[0] if row else None

        expiry = await self._databases.run(tenant_id, following)
        if expiry is None:
            return None
        return (
            max(expiry, datetime.now(UTC) + timedelta(seconds=_RETRY_SECONDS))
            if expiry <= datetime.now(UTC)
            else expiry
        )
