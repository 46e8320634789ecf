"""Carry out a group of commands one after another in memory, as if each had come alone.

The caller has locked every account the group touches, so what is decided here is what the database will
say; its CHECK constraints and triggers repeat the invariants and would refuse the whole group otherwise.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final
from uuid import UUID

from bezant.contracts.internal.ledger import CommandResult, CommandStatus, CreateTransfer, PostPending, VoidPending
from bezant.services.transaction.domain.accounts import LedgerAccount, Snapshot
from bezant.services.transaction.domain.book import (
    HOLD_STATE_AFTER,
    Book,
    Decided,
    ExpireHold,
    KnownTransfer,
    NewEntry,
    Submitted,
    SubmittedBatch,
)
from bezant.services.transaction.domain.fingerprints import fingerprint
from bezant.services.transaction.domain.plans import (
    Draft,
    Plan,
    plan_creation,
    plan_expiry,
    plan_posting,
    plan_reversal,
    plan_void,
)
from bezant.services.transaction.domain.reasons import Reason, Refusal
from bezant.services.transaction.domain.recording import Undo, record

_BATCH_STATUSES: Final[tuple[CommandStatus, ...]] = ("created", "exists", "refused")


def decide_group(book: Book, items: Iterable[Submitted | SubmittedBatch]) -> Decided:
    """Return the results of `items` in order and the rows to write. Changes `book` along the way."""
    decided = Decided()
    for item in items:
        if isinstance(item, SubmittedBatch):
            decided.results.append(_carry_out_batch(book, decided, item))
        else:
            decided.results.append(_carry_out(book, decided, item, batch_id=None, undo=None))
    return decided


def _carry_out_batch(book: Book, decided: Decided, batch: SubmittedBatch) -> CommandResult:
    undo: Undo | None = [] if batch.atomic else None
    lengths = len(decided.transfers), len(decided.holds_made), len(decided.holds_resolved)
    parts: list[CommandResult] = []
    for index, submitted in enumerate(batch.commands):
        part = _carry_out(book, decided, submitted, batch_id=batch.id, undo=undo)
        if part.status == "refused" and undo is not None:
            for take_back in reversed(undo):
                take_back()
            del decided.transfers[lengths[0] :]
            del decided.holds_made[lengths[1] :]
            del decided.holds_resolved[lengths[2] :]
            return _refused_batch(batch, index, part)
        parts.append(part)
    statuses = {part.status for part in parts}
    status = next(status for status in _BATCH_STATUSES if not parts or status in statuses)
    return CommandResult(status=status, id=batch.id, parts=parts)


def _refused_batch(batch: SubmittedBatch, refused_index: int, refused: CommandResult) -> CommandResult:
    others = f"Nothing of the batch was done, because its transfer {refused_index} was refused."
    return CommandResult(
        status="refused",
        id=batch.id,
        reason_code=refused.reason_code,
        detail=f"{others} {refused.detail}",
        parts=[
            refused
            if index == refused_index
            else CommandResult(
                status="refused",
                id=submitted.command.id,
                reason_code=Reason.LINKED_TRANSFER_REFUSED.value,
                detail=others,
            )
            for index, submitted in enumerate(batch.commands)
        ],
    )


def _carry_out(
    book: Book, decided: Decided, submitted: Submitted, *, batch_id: UUID | None, undo: Undo | None
) -> CommandResult:
    command = submitted.command
    print_of_command = fingerprint(submitted)
    known = book.transfers.get(command.id)
    if known is not None:
        return _existing(known, print_of_command)
    plan = _plan(book, submitted)
    if isinstance(plan, Refusal):
        return _refused(command.id, plan)
    refusal = _check_accounts(book, plan)
    if refusal is not None:
        return _refused(command.id, refusal)
    snapshots = [
        (account, account.snapshot())
        for account in {d.leg.account_id: book.accounts[d.leg.account_id] for d in plan.drafts}.values()
    ]
    entries = tuple(
        _write_line(book.accounts[draft.leg.account_id], command.id, number, draft)
        for number, draft in enumerate(plan.drafts)
    )
    refusal = _check_limits(book, snapshots)
    if refusal is not None:
        for account, snapshot in snapshots:
            account.restore(snapshot)
        return _refused(command.id, refusal)
    if undo is not None:
        undo.extend(partial(account.restore, snapshot) for account, snapshot in snapshots)
    record(book, decided, submitted, plan, entries, fingerprint=print_of_command, batch_id=batch_id, undo=undo)
    return CommandResult(
        status="created",
        id=command.id,
        amount_minor=plan.amount_minor,
        hold_state=HOLD_STATE_AFTER.get(plan.kind),
        created_at=book.now,
    )


def _existing(known: KnownTransfer, print_of_command: bytes) -> CommandResult:
    if known.fingerprint != print_of_command:
        return _refused(
            known.id,
            Refusal(Reason.TRANSFER_ID_REUSED, f"Transfer {known.id} exists and says something else."),
        )
    return CommandResult(
        status="exists",
        id=known.id,
        amount_minor=known.amount_minor,
        hold_state=HOLD_STATE_AFTER.get(known.kind),
        created_at=known.created_at,
    )


def _refused(transfer_id: UUID, refusal: Refusal) -> CommandResult:
    return CommandResult(status="refused", id=transfer_id, reason_code=refusal.reason.value, detail=refusal.detail)


def _plan(book: Book, submitted: Submitted) -> Plan | Refusal:
    command = submitted.command
    by_payment = submitted.origin == "payment"
    if isinstance(command, CreateTransfer):
        return plan_creation(book, command, refund=command.refund and by_payment)
    if isinstance(command, PostPending):
        return plan_posting(book, command, by_payment=by_payment)
    if isinstance(command, VoidPending):
        return plan_void(book, command.pending_id, by_payment=by_payment)
    if isinstance(command, ExpireHold):
        return plan_expiry(book, command.pending_id)
    return plan_reversal(book, command, by_payment=by_payment)


def _check_accounts(book: Book, plan: Plan) -> Refusal | None:
    # One pass that finds nothing to refuse is the usual case; which reason comes first is worked out after.
    found: dict[Reason, str] = {}
    for leg in plan.status_checked:
        account = book.accounts.get(leg.account_id)
        if account is None:
            found.setdefault(Reason.ACCOUNT_NOT_FOUND, f"There is no account {leg.account_id}.")
        elif account.currency != plan.currency:
            found.setdefault(
                Reason.CURRENCY_MISMATCH,
                f"Account {leg.account_id} is in {account.currency}, the transfer in {plan.currency}.",
            )
        elif account.status == "closed":
            found.setdefault(Reason.ACCOUNT_CLOSED, f"Account {leg.account_id} is closed.")
        elif account.status == "frozen" and not (plan.credits_frozen and leg.direction == account.normal_side):
            found.setdefault(Reason.ACCOUNT_FROZEN, f"Account {leg.account_id} is frozen.")
    if not found:
        return None
    first = next(reason for reason in Reason if reason in found)
    return Refusal(first, found[first])


def _write_line(account: LedgerAccount, transfer_id: UUID, number: int, draft: Draft) -> NewEntry:
    direction, amount_minor = draft.leg.direction, draft.leg.amount_minor
    if draft.phase == "posted":
        if direction == "debit":
            account.posted_debits += amount_minor
        else:
            account.posted_credits += amount_minor
    else:
        held = amount_minor if draft.phase == "pending" else -amount_minor
        if direction == "debit":
            account.pending_debits += held
        else:
            account.pending_credits += held
    counts_on = draft.counts_on if direction != account.normal_side else None
    if counts_on is not None:
        account.count_out(counts_on, -amount_minor if draft.phase == "released" else amount_minor)
    account.version += 1
    return NewEntry(
        transfer_id,
        number,
        account.id,
        direction,
        draft.phase,
        amount_minor,
        counts_on,
        account.version,
        account.posted_minor,
    )


def _check_limits(book: Book, snapshots: Sequence[tuple[LedgerAccount, Snapshot]]) -> Refusal | None:
    for account, _ in snapshots:
        if not account.within_overdraft_limit:
            return Refusal(
                Reason.INSUFFICIENT_FUNDS,
                f"Account {account.id} would be at {account.available_minor} {account.currency} in minor "
                f"units; its limit is -{account.overdraft_limit_minor}.",
            )
    today = book.now.date()
    for account, snapshot in snapshots:
        limit = account.daily_limit_minor
        if limit is None:
            continue
        out, out_before = account.out_on(today), snapshot[6] if snapshot[5] == today else 0
        if out > out_before and out > limit:
            return Refusal(
                Reason.DAILY_LIMIT_EXCEEDED,
                f"Account {account.id} would pay out {out} {account.currency} in minor units on {today}; "
                f"its daily limit is {limit}.",
            )
    return None
