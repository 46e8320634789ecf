"""A person has decided a review case: capture or authorize the held money, or release it."""

import logging
from datetime import UTC, datetime
from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.contracts.problems import InternalCallFailed
from bezant.foundation.events import claim_new
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.payment.domain.payments import ActionKind, Payment, Status
from bezant.services.payment.domain.problems import ActionInProgress, NotCapturable, NotVoidable, PaymentNotFound
from bezant.services.payment.events.publishes import payment_event
from bezant.services.payment.operations.act_on_payments import PaymentActions
from bezant.services.payment.operations.begin_actions import ActionOrder
from bezant.services.payment.storage.payments import lock_payments, update_payments

_log = logging.getLogger(__name__)


class ReviewDecisions:
    """Carries out `fraud.case_decided`. Repeating one changes nothing: the payment is no longer under review."""

    def __init__(self, databases: TenantDatabases, actions: PaymentActions) -> None:
        self._databases = databases
        self._actions = actions

    async def on_events(self, tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        """Carry out the decisions among the events."""
        for event in events:
            if event.type == "fraud.case_decided":
                await self._carry_out(tenant_id, event)

    async def _carry_out(self, tenant_id: UUID, event: ReceivedEvent) -> None:
        payment_id = UUID(str(event.data["payment_id"]))
        payment = await self._under_review(tenant_id, payment_id)
        if payment is None:
            return
        approved = event.data["decision"] == "approve"
        if approved and payment.capture == "manual":
            await self._databases.run(tenant_id, lambda tx: _authorize(tx, payment_id, event))
            return
        kind = ActionKind.CAPTURE if approved else ActionKind.DECLINE
        try:
            answer = await self._actions.act(
                tenant_id,
                ActionOrder(
                    payment_id, kind, event.actor, reference=f"case {event.subject}", approved_by_review=approved
                ),
            )
        except (ActionInProgress, NotCapturable, NotVoidable, PaymentNotFound) as overtaken:
            # A void, an expiry or an earlier delivery of this event came first.
            _log.info("the review of payment %s has ended already: %s", payment_id, overtaken.detail)
            return
        if answer.status == 202:
            raise InternalCallFailed("the ledger did not answer; the resolver carries on")

    async def _under_review(self, tenant_id: UUID, payment_id: UUID) -> Payment | None:
        async def read(transaction: TenantTransaction) -> Payment | None:
            payment = (await lock_payments(transaction, [payment_id])).get(payment_id)
            if payment is not None and payment.status is Status.PROCESSING:
                # The case was decided before the payment was settled: come again once it is.
                raise InternalCallFailed(f"payment {payment_id} is still processing")
            return payment if payment is not None and payment.status is Status.REQUIRES_REVIEW else None

        return await self._databases.run(tenant_id, read)


async def _authorize(transaction: TenantTransaction, payment_id: UUID, event: ReceivedEvent) -> None:
    if not await claim_new(transaction, "payment", [event]):
        return
    payment = (await lock_payments(transaction, [payment_id]))[payment_id]
    if payment.status is not Status.REQUIRES_REVIEW:
        return
    payment.move(Status.AUTHORIZED)
    payment.updated_at = datetime.now(UTC)
    await update_payments(transaction, [payment], payment.updated_at)
    transaction.emit(payment_event(payment, actor=event.actor))
