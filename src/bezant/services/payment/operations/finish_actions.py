"""Stage three of an action: write what the ledger said, with the answers that repetitions get and the events."""

import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bezant.contracts.internal.ledger import CommandResult
from bezant.foundation.tenancy import TenantTransaction
from bezant.services.payment.domain.payments import Action, ActionKind, Payment, Status, status_after_refund
from bezant.services.payment.domain.problems import LedgerRefused
from bezant.services.payment.events.publishes import payment_event, refund_failed_event
from bezant.services.payment.operations.answers import encode, payment_document, refund_document
from bezant.services.payment.operations.create_payments import Answer
from bezant.services.payment.storage.payments import lock_payments, update_payments
from bezant.services.payment.storage.queries import QUERIES

_log = logging.getLogger(__name__)
_ENDED_ELSEWHERE = frozenset({"hold_already_posted", "hold_already_voided"})


async def finish_actions(
    transaction: TenantTransaction, actions: list[Action], results: dict[UUID, CommandResult]
) -> dict[UUID, Answer]:
    """Write what came of the actions that are still processing and still ours."""
    now = datetime.now(UTC)
    payments = await lock_payments(transaction, [action.payment_id for action in actions])
    rows = await transaction.fetch_all(
        QUERIES["finish_actions"],
        {
            "ids": [action.id for action in actions],
            "attempts": [action.attempt for action in actions],
            "statuses": ["failed" if _failed(action, results[action.id]) else "succeeded" for action in actions],
            "reasons": [results[action.id].reason_code for action in actions],
            "times": [now] * len(actions),
        },
    )
    ours = {row[0] for row in rows}
    answers: dict[UUID, Answer] = {}
    stored: list[tuple[str, Answer]] = []
    for action in sorted((a for a in actions if a.id in ours), key=lambda a: a.id):
        payment, result = payments[action.payment_id], results[action.id]
        action.finished_at = now
        if _failed(action, result):
            action.status, action.reason_code = "failed", result.reason_code
            answer = _refuse(transaction, action, payment, result)
        else:
            action.status = "succeeded"
            _apply(action, payment, now)
            transaction.emit(payment_event(payment, actor=action.actor, action=action))
            answer = Answer(201 if action.kind is ActionKind.REFUND else 200, encode(action_document(action, payment)))
        answers[action.id] = answer
        if action.idempotency_key is not None:
            stored.append((action.idempotency_key, answer))
    changed = {action.payment_id: payments[action.payment_id] for action in actions if action.id in ours}
    if changed:
        await update_payments(transaction, list(changed.values()), now)
    if stored:
        await transaction.execute(
            QUERIES["store_answers"],
            {
                "keys": [key for key, _ in stored],
                "statuses": [answer.status for _, answer in stored],
                "bodies": [answer.body.decode() for _, answer in stored],
            },
        )
    return answers


def _failed(action: Action, result: CommandResult) -> bool:
    if result.status != "refused":
        return False
    # A hold that has run out in the ledger is released already, which is what releasing it asks for.
    return not (
        action.kind in (ActionKind.EXPIRE, ActionKind.VOID, ActionKind.DECLINE) and result.reason_code == "hold_expired"
    )


def _refuse(transaction: TenantTransaction, action: Action, payment: Payment, result: CommandResult) -> Answer:
    if action.kind is ActionKind.REFUND:
        payment.refunding_minor -= action.amount_minor
        transaction.emit(refund_failed_event(payment, action))
        return Answer(201, encode(refund_document(action, payment)))
    if result.reason_code in _ENDED_ELSEWHERE:
        _log.error("the hold of payment %s was ended behind our back: %s", payment.id, result.reason_code)
    problem = LedgerRefused(
        f"the ledger refused the {action.kind.value}: {result.detail or result.reason_code}; nothing was moved",
        reason_code=result.reason_code,
    )
    return Answer(problem.status, encode(problem.document()))


def _apply(action: Action, payment: Payment, now: datetime) -> None:
    """Change the payment as the action that the ledger has done says."""
    payment.updated_at = now
    match action.kind:
        case ActionKind.CAPTURE:
            payment.captured_minor = action.amount_minor
            payment.move(Status.CAPTURED)
        case ActionKind.VOID:
            payment.move(Status.VOIDED)
        case ActionKind.EXPIRE:
            payment.move(Status.EXPIRED)
        case ActionKind.DECLINE:
            payment.reason_code = "review_declined"
            payment.move(Status.DECLINED)
        case ActionKind.REFUND:
            payment.refunding_minor -= action.amount_minor
            payment.refunded_minor += action.amount_minor
            payment.move(status_after_refund(payment))


def action_document(action: Action, payment: Payment) -> dict[str, Any]:
    """Return what the API answers for an action: the refund, or the payment."""
    return refund_document(action, payment) if action.kind is ActionKind.REFUND else payment_document(payment)
