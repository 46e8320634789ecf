"""Capture, void, refund, expire and decline payments: a tenant's concurrent requests go as one group.

Stage one locks the payments, checks each request against its payment one after another, and writes the intents
(`actions`, status processing) with the idempotency keys. Stage two asks the ledger under the actions' own ids.
Stage three writes what came of it with answers and events. The resolver repeats stages two and three for what
a crash left; the ledger's answer to a repetition is the first one's.
"""

import logging
from collections.abc import Sequence
from uuid import UUID

from bezant.contracts.internal.ledger import CommandResult, CreateTransfer, Leg, PostPending, VoidPending
from bezant.contracts.problems import Problem
from bezant.foundation.coalescing import Coalescer
from bezant.foundation.due_work import DueWork
from bezant.foundation.failpoints import failpoint
from bezant.foundation.internal_calls import InternalCalls
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.payment.domain.payments import Action, ActionKind, Payment, payment_legs
from bezant.services.payment.operations.answers import encode
from bezant.services.payment.operations.begin_actions import ActionOrder, Begun, begin_actions
from bezant.services.payment.operations.create_payments import STUCK, Answer
from bezant.services.payment.operations.finish_actions import action_document, finish_actions

_log = logging.getLogger(__name__)


class PaymentActions:
    """Acts on payments in groups."""

    def __init__(self, databases: TenantDatabases, internal: InternalCalls, due_work: DueWork) -> None:
        self._databases = databases
        self._internal = internal
        self._due_work = due_work
        self._groups: Coalescer[ActionOrder, Answer] = Coalescer(self._act_group, stage="payment action")

    async def act(self, tenant_id: UUID, order: ActionOrder) -> Answer:
        """Do one action, or return the answer that its key got before.

        Raises the problems of `domain.problems`: nothing was recorded then. An answer of 202 says that the
        ledger has not answered; the resolver finishes the action.
        """
        return await self._groups.submit(tenant_id, order)

    async def drain(self) -> None:
        """Wait until every action in hand has been answered."""
        await self._groups.drain()

    async def _act_group(self, tenant_id: UUID, orders: list[ActionOrder]) -> list[Answer | Exception]:
        await self._due_work.guard(tenant_id, STUCK)
        begun = await self._databases.run(tenant_id, lambda tx: begin_actions(tx, orders), attempts=1)
        failpoint("payment.action.after_begin")
        work = [item for item in begun if isinstance(item, Begun)]
        finished = await self.finish(tenant_id, [(item.action, item.payment) for item in work]) if work else {}
        answers: list[Answer | Exception] = []
        for item in begun:
            if isinstance(item, Begun):
                pending = Answer(202, encode(action_document(item.action, item.payment)))
                answers.append(finished.get(item.action.id, pending))
            else:
                answers.append(item)
        return answers

    async def finish(self, tenant_id: UUID, work: Sequence[tuple[Action, Payment]]) -> dict[UUID, Answer]:
        """Ask the ledger and record what it says, for actions that are `processing`; return the answers by action.

        What is missing in the result is still processing.
        """
        try:
            results: list[CommandResult] = await self._internal.call(
                "transaction",
                "ledger/commands",
                tenant_id,
                [_command(action, payment) for action, payment in work],
                CommandResult,
            )
            failpoint("payment.action.after_ledger")
            outcomes = {action.id: result for (action, _), result in zip(work, results, strict=True)}
            finished = await self._databases.run(
                tenant_id, lambda tx: finish_actions(tx, [a for a, _ in work], outcomes)
            )
            failpoint("payment.action.after_finish")
        except Problem as error:
            _log.warning("%d actions stay processing: %s", len(work), error.detail)
            return {}
        return finished


def _command(action: Action, payment: Payment) -> PostPending | VoidPending | CreateTransfer:
    match action.kind:
        case ActionKind.CAPTURE:
            return PostPending(
                id=action.id,
                pending_id=payment.id,
                legs=payment_legs(payment, action.amount_minor, action.splits or []),
                reference=action.reference,
                actor=action.actor,
            )
        case ActionKind.REFUND:
            return CreateTransfer(
                id=action.id,
                currency=payment.currency,
                legs=[
                    Leg(payment.destination_account_id, "debit", action.amount_minor),
                    Leg(payment.source_account_id, "credit", action.amount_minor),
                ],
                refund=True,
                reference=action.reference,
                actor=action.actor,
            )
        case _:
            return VoidPending(id=action.id, pending_id=payment.id, reference=action.reference, actor=action.actor)
