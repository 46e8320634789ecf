"""Note a transfer that was carried out: what later commands of the group see, and what will be written."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from bezant.services.transaction.domain.book import (
    HOLD_STATE_AFTER,
    Book,
    Decided,
    Hold,
    KnownTransfer,
    NewEntry,
    NewTransfer,
    Submitted,
)
from bezant.services.transaction.domain.plans import Plan

Undo = list[Callable[[], Any]]
"""What takes an atomic batch back, to be called in reverse order."""


def record(
    book: Book,
    decided: Decided,
    submitted: Submitted,
    plan: Plan,
    entries: tuple[NewEntry, ...],
    *,
    fingerprint: bytes,
    batch_id: UUID | None,
    undo: Undo | None,
) -> None:
    """Add the transfer to the book and to what is to be written; `undo` learns how to take it back."""
    command = submitted.command
    book.transfers[command.id] = KnownTransfer(
        id=command.id,
        kind=plan.kind,
        currency=plan.currency,
        amount_minor=plan.amount_minor,
        fingerprint=fingerprint,
        origin=submitted.origin,
        created_at=book.now,
        legs=plan.status_checked,
    )
    decided.transfers.append(
        NewTransfer(
            id=command.id,
            kind=plan.kind,
            currency=plan.currency,
            amount_minor=plan.amount_minor,
            pending_id=plan.pending_id,
            reverses_id=plan.reverses_id,
            batch_id=batch_id,
            origin=submitted.origin,
            reference=command.reference,
            metadata=command.metadata,
            fingerprint=fingerprint,
            actor=command.actor,
            expires_at=plan.expires_at,
            created_at=book.now,
            entries=entries,
        )
    )
    if undo is not None:
        undo.append(partial(book.transfers.pop, command.id))
    if plan.kind == "pending":
        hold = _new_hold(submitted, plan, entries)
        book.holds[hold.transfer_id] = hold
        decided.holds_made.append(hold)
        if undo is not None:
            undo.append(partial(book.holds.pop, hold.transfer_id))
    elif plan.hold is not None:
        _resolve_hold(decided, plan.hold, plan, command.id, undo)
    elif plan.reverses_id is not None:
        target = book.transfers[plan.reverses_id]
        target.reversed_by = command.id
        if undo is not None:
            undo.append(partial(setattr, target, "reversed_by", None))


def _new_hold(submitted: Submitted, plan: Plan, entries: tuple[NewEntry, ...]) -> Hold:
    return Hold(
        transfer_id=submitted.command.id,
        currency=plan.currency,
        origin=submitted.origin,
        legs=plan.status_checked,
        amount_minor=plan.amount_minor,
        expires_at=plan.expires_at,
        limit_day=next((entry.limit_day for entry in entries if entry.limit_day is not None), None),
    )


def _resolve_hold(decided: Decided, hold: Hold, plan: Plan, resolved_by: UUID, undo: Undo | None) -> None:
    hold.state = HOLD_STATE_AFTER[plan.kind]
    hold.posted_amount_minor = plan.amount_minor if plan.kind == "post" else 0
    hold.resolved_by = resolved_by
    if not any(made is hold for made in decided.holds_made):
        decided.holds_resolved.append(hold)
    if undo is not None:
        undo.append(partial(_reopen_hold, hold))


def _reopen_hold(hold: Hold) -> None:
    hold.state, hold.posted_amount_minor, hold.resolved_by = "pending", 0, None
