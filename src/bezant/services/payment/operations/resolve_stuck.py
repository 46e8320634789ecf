"""Carry on what a crash or an outage left `processing`: payments and actions, exactly as their requests would have."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from bezant.foundation.due_work import GUARD_SECONDS
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.payment.domain.payments import Action, Payment
from bezant.services.payment.operations.act_on_payments import PaymentActions
from bezant.services.payment.operations.settle_payments import PaymentSettlement
from bezant.services.payment.storage.payments import lock_payments
from bezant.services.payment.storage.queries import QUERIES
from bezant.services.payment.storage.rows import action_from_row, payment_from_row


class StuckWork:
    """Due-work handler for payments and actions that nobody works on any more."""

    def __init__(
        self, databases: TenantDatabases, settlement: PaymentSettlement, actions: PaymentActions, *, age_seconds: float
    ) -> None:
        """`age_seconds`: how long after its last change a payment counts as left behind."""
        self._databases = databases
        self._settlement = settlement
        self._actions = actions
        self._age_seconds = age_seconds

    async def resolve(self, tenant_id: UUID) -> datetime | None:
        """Carry on what is stuck, and look again while there is or may be more."""
        looked = await self._databases.fetch(
            tenant_id, QUERIES["look_for_stuck"], {"age_seconds": self._age_seconds, "busy_seconds": GUARD_SECONDS}
        )
        stuck, processing, busy = looked[0]
        if stuck:
            await self._carry_on(tenant_id)
            return datetime.now(UTC) + timedelta(seconds=self._age_seconds / 2)
        await self._databases.fetch(tenant_id, QUERIES["prune_idempotency"], {"days": 7})
        again = self._age_seconds if processing else GUARD_SECONDS
        return datetime.now(UTC) + timedelta(seconds=again) if processing or busy else None

    async def _carry_on(self, tenant_id: UUID) -> None:
        age = {"age_seconds": self._age_seconds}

        async def take_over(transaction: TenantTransaction) -> tuple[list[Payment], list[Action]]:
            payments = await transaction.fetch_all(QUERIES["take_over_stuck"], age)
            actions = await transaction.fetch_all(QUERIES["take_over_stuck_actions"], age)
            return [payment_from_row(row) for row in payments], [action_from_row(row) for row in actions]

        payments, actions = await self._databases.run(tenant_id, take_over)
        if payments:
            await self._settlement.settle(tenant_id, payments)
        if actions:
            await self._finish(tenant_id, actions)

    async def _finish(self, tenant_id: UUID, actions: list[Action]) -> None:
        async def owners(transaction: TenantTransaction) -> dict[UUID, Payment]:
            return await lock_payments(transaction, [action.payment_id for action in actions])

        payments = await self._databases.run(tenant_id, owners)
        await self._actions.finish(tenant_id, [(action, payments[action.payment_id]) for action in actions])
