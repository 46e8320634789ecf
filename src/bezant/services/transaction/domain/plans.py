"""What a command would write, if the accounts allow it: the rules about commands, holds and references."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from bezant.contracts.internal.ledger import (
    CreateTransfer,
    Direction,
    Leg,
    PostPending,
    Reverse,
    TransferKind,
)
from bezant.contracts.money import MAX_AMOUNT_MINOR
from bezant.services.transaction.domain.book import Book, Hold, Phase
from bezant.services.transaction.domain.reasons import Reason, Refusal

MAX_LEGS: Final = 64

_RESOLVED: Final = {
    "posted": Reason.HOLD_ALREADY_POSTED,
    "voided": Reason.HOLD_ALREADY_VOIDED,
    "expired": Reason.HOLD_EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A line before its account's version is known. `counts_on`: the day an outflow counts against."""

    phase: Phase
    leg: Leg
    counts_on: date | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Lines and references of one transfer.

    `status_checked` are the legs whose accounts must be open; with `credits_frozen` an account that only
    gains may be frozen. `hold` is the hold that is made (kind `pending`) or resolved.
    """

    kind: TransferKind
    currency: str
    amount_minor: int
    drafts: tuple[Draft, ...]
    status_checked: tuple[Leg, ...] = ()
    credits_frozen: bool = False
    pending_id: UUID | None = None
    reverses_id: UUID | None = None
    hold: Hold | None = None
    expires_at: datetime | None = None


def total_minor(legs: Sequence[Leg]) -> int:
    """Return what balanced legs move: the sum of their debits."""
    return sum(leg.amount_minor for leg in legs if leg.direction == "debit")


def _check_legs(legs: Sequence[Leg]) -> Refusal | None:
    balance, total = 0, 0
    accounts = set()
    for leg in legs:
        if not 1 <= leg.amount_minor <= MAX_AMOUNT_MINOR:
            return Refusal(Reason.AMOUNT_INVALID, f"Each amount must be between 1 and {MAX_AMOUNT_MINOR}.")
        balance += leg.amount_minor if leg.direction == "credit" else -leg.amount_minor
        total += leg.amount_minor
        accounts.add(leg.account_id)
    if total > 2 * MAX_AMOUNT_MINOR:
        return Refusal(Reason.AMOUNT_INVALID, f"The legs' total must not exceed {MAX_AMOUNT_MINOR}.")
    if balance != 0 or not 2 <= len(legs) <= MAX_LEGS:
        return Refusal(
            Reason.LEGS_INVALID,
            f"A transfer has 2 to {MAX_LEGS} legs and its debits equal its credits; "
            f"these {len(legs)} legs differ by {abs(balance)}.",
        )
    if len(accounts) != len(legs):
        return Refusal(Reason.SAME_ACCOUNT, "Each account may occur in one leg only.")
    return None


def plan_creation(book: Book, command: CreateTransfer, *, refund: bool) -> Plan | Refusal:
    """Plan a transfer or a hold. `refund`: the command asks for a refund's leniency and may have it."""
    refusal = _check_legs(command.legs)
    if refusal is not None:
        return refusal
    if command.expires_at is not None and (not command.pending or command.expires_at <= book.now):
        return Refusal(Reason.EXPIRES_AT_INVALID, "expires_at belongs to a pending transfer and must be in the future.")
    day = None if refund else book.now.date()
    legs = tuple(command.legs)
    phase: Phase = "pending" if command.pending else "posted"
    return Plan(
        kind="pending" if command.pending else "transfer",
        currency=command.currency,
        amount_minor=total_minor(legs),
        drafts=tuple(Draft(phase, leg, day) for leg in legs),
        status_checked=legs,
        credits_frozen=refund,
        expires_at=command.expires_at,
    )


def open_hold(book: Book, pending_id: UUID, *, by_payment: bool) -> Hold | Refusal:
    """Return the hold if the caller may post or void it now."""
    hold = book.holds.get(pending_id)
    if hold is None:
        known = book.transfers.get(pending_id)
        if known is None:
            return Refusal(Reason.HOLD_NOT_FOUND, f"There is no pending transfer {pending_id}.")
        return Refusal(Reason.TRANSFER_NOT_PENDING, f"Transfer {pending_id} is of kind {known.kind}, not pending.")
    if hold.origin == "payment" and not by_payment:
        return Refusal(
            Reason.TRANSFER_OF_PAYMENT,
            f"Transfer {pending_id} belongs to a payment; capture or void the payment instead.",
        )
    if hold.state != "pending":
        return Refusal(_RESOLVED[hold.state], f"The hold {pending_id} is {hold.state}.")
    if hold.expires_at is not None and hold.expires_at <= book.now:
        return Refusal(Reason.HOLD_EXPIRED, f"The hold {pending_id} expired at {hold.expires_at.isoformat()}.")
    return hold


def _released(hold: Hold) -> tuple[Draft, ...]:
    return tuple(Draft("released", leg, hold.limit_day) for leg in hold.legs)


def _check_amount(hold: Hold, command: PostPending) -> Refusal | None:
    if command.amount_minor is not None and command.amount_minor > hold.amount_minor:
        return Refusal(
            Reason.AMOUNT_EXCEEDS_HOLD,
            f"The hold holds {hold.amount_minor} {hold.currency}, not {command.amount_minor}.",
        )
    if command.currency not in {None, hold.currency}:
        return Refusal(Reason.CURRENCY_MISMATCH, f"The hold is in {hold.currency}, the amount in {command.currency}.")
    return None


def _legs_to_post(hold: Hold, command: PostPending) -> tuple[Leg, ...] | Refusal:
    if command.legs is not None:
        held: dict[tuple[UUID, Direction], int] = {
            (leg.account_id, leg.direction): leg.amount_minor for leg in hold.legs
        }
        for leg in command.legs:
            limit = held.get((leg.account_id, leg.direction), 0)
            if leg.direction == "debit" and leg.amount_minor > limit:
                return Refusal(
                    Reason.AMOUNT_EXCEEDS_HOLD,
                    f"The hold holds {limit} from account {leg.account_id}, not {leg.amount_minor}.",
                )
        return tuple(command.legs)
    amount_minor = hold.amount_minor if command.amount_minor is None else command.amount_minor
    if amount_minor == hold.amount_minor:
        return hold.legs
    if len(hold.legs) > 2:
        return Refusal(
            Reason.LEGS_REQUIRED, f"The hold has {len(hold.legs)} legs: say how the part is spread over them."
        )
    return tuple(Leg(leg.account_id, leg.direction, amount_minor) for leg in hold.legs)


def plan_posting(book: Book, command: PostPending, *, by_payment: bool) -> Plan | Refusal:
    """Plan the posting of a hold: all of it is released, and what is to be posted is posted."""
    if command.amount_minor is not None and not 1 <= command.amount_minor <= MAX_AMOUNT_MINOR:
        return Refusal(Reason.AMOUNT_INVALID, f"The amount must be between 1 and {MAX_AMOUNT_MINOR}.")
    if command.legs is not None:
        refusal = _check_legs(command.legs)
        if refusal is not None:
            return refusal
        if command.amount_minor not in {None, total_minor(command.legs)}:
            return Refusal(Reason.LEGS_INVALID, "amount_minor is not the total of the legs.")
    hold = open_hold(book, command.pending_id, by_payment=by_payment)
    if isinstance(hold, Refusal):
        return hold
    legs = _check_amount(hold, command) or _legs_to_post(hold, command)
    if isinstance(legs, Refusal):
        return legs
    in_hold = {(leg.account_id, leg.direction) for leg in hold.legs}
    today = book.now.date()
    posted = tuple(
        Draft("posted", leg, hold.limit_day if (leg.account_id, leg.direction) in in_hold else today) for leg in legs
    )
    return Plan(
        kind="post",
        currency=hold.currency,
        amount_minor=total_minor(legs),
        drafts=_released(hold) + posted,
        status_checked=legs,
        pending_id=hold.transfer_id,
        hold=hold,
    )


def plan_void(book: Book, pending_id: UUID, *, by_payment: bool) -> Plan | Refusal:
    """Plan the release of a hold. No account's status stands in the way."""
    hold = open_hold(book, pending_id, by_payment=by_payment)
    if isinstance(hold, Refusal):
        return hold
    return _plan_release(hold, "void")


def plan_expiry(book: Book, pending_id: UUID) -> Plan | Refusal:
    """Plan the release of a hold whose time is over by the database's clock."""
    hold = book.holds.get(pending_id)
    if hold is None:
        return Refusal(Reason.HOLD_NOT_FOUND, f"There is no pending transfer {pending_id}.")
    if hold.state != "pending":
        return Refusal(_RESOLVED[hold.state], f"The hold {pending_id} is {hold.state}.")
    if hold.expires_at is None or hold.expires_at > book.now:
        return Refusal(Reason.HOLD_NOT_DUE, f"The hold {pending_id} has not expired yet.")
    return _plan_release(hold, "expire")


def _plan_release(hold: Hold, kind: TransferKind) -> Plan:
    return Plan(
        kind=kind,
        currency=hold.currency,
        amount_minor=hold.amount_minor,
        drafts=_released(hold),
        pending_id=hold.transfer_id,
        hold=hold,
    )


def plan_reversal(book: Book, command: Reverse, *, by_payment: bool) -> Plan | Refusal:
    """Plan the mirror image of a transfer. A correction is no spending: the daily limits do not see it."""
    target = book.transfers.get(command.transfer_id)
    if target is None:
        return Refusal(Reason.TRANSFER_NOT_FOUND, f"There is no transfer {command.transfer_id}.")
    if target.origin == "payment" and not by_payment:
        return Refusal(
            Reason.TRANSFER_OF_PAYMENT,
            f"Transfer {target.id} belongs to a payment; refund the payment instead.",
        )
    if target.kind not in {"transfer", "post"}:
        return Refusal(
            Reason.TRANSFER_NOT_REVERSIBLE,
            f"Transfer {target.id} is of kind {target.kind}; only kinds transfer and post can be reversed.",
        )
    if target.reversed_by is not None:
        return Refusal(
            Reason.TRANSFER_ALREADY_REVERSED,
            f"Transfer {target.id} has been reversed by {target.reversed_by}.",
        )
    mirrored: dict[Direction, Direction] = {"debit": "credit", "credit": "debit"}
    legs = tuple(Leg(leg.account_id, mirrored[leg.direction], leg.amount_minor) for leg in target.legs)
    return Plan(
        kind="reversal",
        currency=target.currency,
        amount_minor=target.amount_minor,
        drafts=tuple(Draft("posted", leg, None) for leg in legs),
        status_checked=legs,
        credits_frozen=True,
        reverses_id=target.id,
    )
