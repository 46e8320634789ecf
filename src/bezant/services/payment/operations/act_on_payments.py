"""Capture, void, refund, expire and decline payments: a tenant's concurrent requests go as one group.

Stage one locks the payments, checks each request against its payment one after another, and writes the intents
(`actions`, status processing) with the idempotency keys. Stage two asks the ledger under the actions' own ids.
Stage three writes what came of it with answers and events. The resolver repeats stages two and three for what
a crash left; the ledger's answer to a repetition is the first one's.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.ledger import CommandResult, CreateTransfer, Leg, PostPending, VoidPending
from bezant.contracts.problems import IdempotencyKeyReused, Problem, RequestInProgress
from bezant.foundation.coalescing import Coalescer
from bezant.foundation.due_work import DueWork
from bezant.foundation.failpoints import failpoint
from bezant.foundation.internal_calls import InternalCalls
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.payment.domain.payments import (
    Action,
    ActionKind,
    Payment,
    Split,
    Status,
    amount_to_capture,
    amount_to_refund,
    payment_legs,
    require_voidable,
    status_after_refund,
)
from bezant.services.payment.domain.problems import ActionInProgress, LedgerRefused, PaymentNotFound
from bezant.services.payment.events.publishes import payment_event, refund_failed_event
from bezant.services.payment.operations.answers import encode, payment_document, refund_document
from bezant.services.payment.operations.create_payments import STUCK, Answer
from bezant.services.payment.storage.queries import QUERIES
from bezant.services.payment.storage.rows import payment_from_row, splits_to_json

_log = logging.getLogger(__name__)
_ENDED_ELSEWHERE = frozenset({"hold_already_posted", "hold_already_voided"})


@dataclass(frozen=True, slots=True)
class ActionOrder:
    """What is asked of a payment. `amount_minor` None is all of it. Internal orders have no key."""

    payment_id: UUID
    kind: ActionKind
    actor: str
    amount_minor: int | None = None
    splits: list[Split] | None = None
    reference: str = ""
    key: str | None = None
    fingerprint: bytes | None = None
    approved_by_review: bool = False


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
        begun = await self._databases.run(tenant_id, lambda tx: _begin(tx, orders), attempts=1)
        failpoint("payment.action.after_begin")
        work = [item for item in begun if isinstance(item, _Begun)]
        finished = await self.finish(tenant_id, [(item.action, item.payment) for item in work]) if work else {}
        answers: list[Answer | Exception] = []
        for item in begun:
            if isinstance(item, _Begun):
                pending = Answer(202, encode(_document(item.action, item.payment)))
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
            finished = await self._databases.run(tenant_id, lambda tx: _finish(tx, [a for a, _ in work], outcomes))
            failpoint("payment.action.after_finish")
        except Problem as error:
            _log.warning("%d actions stay processing: %s", len(work), error.detail)
            return {}
        return finished


@dataclass(frozen=True, slots=True)
class _Begun:
    action: Action
    payment: Payment


async def _begin(transaction: TenantTransaction, orders: list[ActionOrder]) -> list[_Begun | Answer | Exception]:
    """Check each order and write the intents of those that may go on."""
    now = datetime.now(UTC)
    payments = await lock_payments(transaction, [order.payment_id for order in orders])
    in_progress = {
        row[0]: row[2] for row in await transaction.fetch_all(QUERIES["ends_in_progress"], {"ids": list(payments)})
    }
    ids = [new_id() for _ in orders]
    free = await _claim_keys(transaction, orders, ids)
    begun: list[_Begun | Answer | Exception] = []
    released: list[str] = []
    repeated: dict[int, str] = {}
    for position, (order, action_id) in enumerate(zip(orders, ids, strict=True)):
        if order.key is not None and free.get(order.key) != action_id:
            repeated[position] = order.key
            begun.append(RequestInProgress("the same request is being worked on; ask again in a moment"))
            continue
        try:
            action = _check(order, action_id, payments.get(order.payment_id), in_progress, now)
        except Problem as problem:
            # Nothing was recorded: the key may be used for another attempt.
            begun.append(problem)
            if order.key is not None:
                released.append(order.key)
            continue
        payment = payments[order.payment_id]
        if action.kind is ActionKind.REFUND:
            payment.refunding_minor += action.amount_minor
        else:
            in_progress[payment.id] = action.kind.value
        begun.append(_Begun(action, payment))
    await _write_intents(transaction, [item for item in begun if isinstance(item, _Begun)], now)
    if released:
        await transaction.execute(QUERIES["release_keys"], {"keys": released})
    if repeated:
        await _answer_repeated(transaction, orders, repeated, begun)
    return begun


def _check(
    order: ActionOrder, action_id: UUID, payment: Payment | None, in_progress: dict[UUID, str], now: datetime
) -> Action:
    if payment is None:
        raise PaymentNotFound(f"there is no payment {order.payment_id}")
    amount, splits = 0, None
    match order.kind:
        case ActionKind.CAPTURE:
            if order.approved_by_review and payment.status is Status.REQUIRES_REVIEW:
                amount = payment.amount_minor
            else:
                amount = amount_to_capture(payment, order.amount_minor)
            splits = payment.splits if order.splits is None else order.splits
            payment_legs(payment, amount, splits)
        case ActionKind.VOID | ActionKind.EXPIRE | ActionKind.DECLINE:
            require_voidable(payment)
            amount = payment.amount_minor
        case ActionKind.REFUND:
            amount = amount_to_refund(payment, order.amount_minor)
    if order.kind is not ActionKind.REFUND and payment.id in in_progress:
        raise ActionInProgress(f"a {in_progress[payment.id]} of this payment is in progress; look at it again")
    return Action(
        id=action_id, payment_id=payment.id, kind=order.kind, amount_minor=amount, splits=splits,
        reference=order.reference, actor=order.actor, created_at=now, idempotency_key=order.key,
    )  # fmt: skip


async def lock_payments(transaction: TenantTransaction, ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """Return the payments of these ids, locked in the order of their ids."""
    rows = await transaction.fetch_all(
        QUERIES["lock_payments"],
        {"ids": sorted(set(ids))},
    )
    return {row[0]: payment_from_row(row) for row in rows}


async def _claim_keys(transaction: TenantTransaction, orders: list[ActionOrder], ids: list[UUID]) -> dict[str, UUID]:
    """Claim the orders' keys; within a group the first order of a key has it. Returns key -> action id."""
    wanted: dict[str, tuple[bytes, UUID]] = {}
    for order, action_id in zip(orders, ids, strict=True):
        if order.key is not None and order.fingerprint is not None:
            wanted.setdefault(order.key, (order.fingerprint, action_id))
    if not wanted:
        return {}
    rows = await transaction.fetch_all(
        QUERIES["claim_keys"],
        {
            "keys": list(wanted),
            "fingerprints": [fingerprint for fingerprint, _ in wanted.values()],
            "ids": [action_id for _, action_id in wanted.values()],
        },
    )
    return {row[0]: wanted[row[0]][1] for row in rows}


async def _write_intents(transaction: TenantTransaction, begun: list[_Begun], now: datetime) -> None:
    if not begun:
        return
    actions = [item.action for item in begun]
    await transaction.execute(
        QUERIES["insert_actions"],
        {
            "ids": [action.id for action in actions],
            "payment_ids": [action.payment_id for action in actions],
            "kinds": [action.kind.value for action in actions],
            "amounts": [action.amount_minor for action in actions],
            "splits": [
                None if action.splits is None else msgspec.json.encode(splits_to_json(action.splits)).decode()
                for action in actions
            ],
            "references": [action.reference for action in actions],
            "keys": [action.idempotency_key for action in actions],
            "actors": [action.actor for action in actions],
            "times": [action.created_at for action in actions],
        },
    )
    refunding = {item.payment.id: item.payment for item in begun if item.action.kind is ActionKind.REFUND}
    if refunding:
        await _update_payments(transaction, list(refunding.values()), now)


async def _answer_repeated(
    transaction: TenantTransaction,
    orders: list[ActionOrder],
    repeated: dict[int, str],
    begun: list[_Begun | Answer | Exception],
) -> None:
    records = await transaction.fetch_all(QUERIES["idempotency_records"], {"keys": list(set(repeated.values()))})
    by_key = {row[0]: row for row in records}
    for position, key in repeated.items():
        record = by_key.get(key)
        if record is None:
            # The first order of the key in this group was refused: so is this one, in its own right.
            continue
        if bytes(record[1]) != orders[position].fingerprint:
            begun[position] = IdempotencyKeyReused(
                "this Idempotency-Key was used for a different request before; use a new key for a new request"
            )
        elif record[3] is not None:
            begun[position] = Answer(record[3], record[4].encode())


async def _finish(
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
            answer = Answer(201 if action.kind is ActionKind.REFUND else 200, encode(_document(action, payment)))
        answers[action.id] = answer
        if action.idempotency_key is not None:
            stored.append((action.idempotency_key, answer))
    changed = {action.payment_id: payments[action.payment_id] for action in actions if action.id in ours}
    if changed:
        await _update_payments(transaction, list(changed.values()), now)
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


def _document(action: Action, payment: Payment) -> dict[str, Any]:
    return refund_document(action, payment) if action.kind is ActionKind.REFUND else payment_document(payment)


async def _update_payments(transaction: TenantTransaction, payments: list[Payment], now: datetime) -> None:
    await transaction.execute(
        QUERIES["update_payments"],
        {
            "ids": [payment.id for payment in payments],
            "statuses": [payment.status.value for payment in payments],
            "reasons": [payment.reason_code for payment in payments],
            "captured": [payment.captured_minor for payment in payments],
            "refunded": [payment.refunded_minor for payment in payments],
            "refunding": [payment.refunding_minor for payment in payments],
            "versions": [payment.version for payment in payments],
            "times": [now] * len(payments),
        },
    )
