"""Stage one of an action: check each order against its locked payment and write the intents of those that may go on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Problem, RequestInProgress
from bezant.foundation.idempotency import key_reused
from bezant.foundation.tenancy import TenantTransaction
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
)
from bezant.services.payment.domain.problems import ActionInProgress, PaymentNotFound
from bezant.services.payment.operations.create_payments import Answer
from bezant.services.payment.storage.payments import lock_payments, update_payments
from bezant.services.payment.storage.queries import QUERIES
from bezant.services.payment.storage.rows import splits_to_json


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


@dataclass(frozen=True, slots=True)
class Begun:
    """An action whose intent is written, and its payment."""

    action: Action
    payment: Payment


async def begin_actions(transaction: TenantTransaction, orders: list[ActionOrder]) -> list[Begun | Answer | Exception]:
    """Check each order and write the intents of those that may go on."""
    now = datetime.now(UTC)
    payments = await lock_payments(transaction, [order.payment_id for order in orders])
    in_progress = {
        row[0]: row[2] for row in await transaction.fetch_all(QUERIES["ends_in_progress"], {"ids": list(payments)})
    }
    ids = [new_id() for _ in orders]
    free = await _claim_keys(transaction, orders, ids)
    begun: list[Begun | Answer | Exception] = []
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
        begun.append(Begun(action, payment))
    await _write_intents(transaction, [item for item in begun if isinstance(item, Begun)], now)
    if released:
        await transaction.execute(QUERIES["release_keys"], {"keys": released})
    if repeated:
        await _answer_repeated(transaction, orders, repeated, free, begun)
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


async def _write_intents(transaction: TenantTransaction, begun: list[Begun], now: datetime) -> None:
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
        await update_payments(transaction, list(refunding.values()), now)


async def _answer_repeated(
    transaction: TenantTransaction,
    orders: list[ActionOrder],
    repeated: dict[int, str],
    free: dict[str, UUID],
    begun: list[Begun | Answer | Exception],
) -> None:
    records = await transaction.fetch_all(QUERIES["idempotency_records"], {"keys": list(set(repeated.values()))})
    by_key = {row[0]: row for row in records}
    for position, key in repeated.items():
        record = by_key.get(key)
        if record is None and key in free:
            # The first order of the key in this group was refused: so is this one, in its own right.
            continue
        if record is None or bytes(record[1]) != orders[position].fingerprint:
            # without a record the key is another service's
            begun[position] = key_reused()
        elif record[3] is not None:
            begun[position] = Answer(record[3], record[4].encode())
