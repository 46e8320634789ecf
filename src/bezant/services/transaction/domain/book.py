"""What the ledger knows while it works through a group of commands, and what it decides to write."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

from bezant.contracts.internal.ledger import (
    CommandResult,
    Direction,
    HoldState,
    Leg,
    Origin,
    TransferCommand,
    TransferKind,
)
from bezant.services.transaction.domain.accounts import LedgerAccount

Phase = Literal["pending", "posted", "released"]
"""`pending` adds to the pending sums, `released` takes away from them, `posted` adds to the posted sums."""

HOLD_STATE_AFTER: Final[dict[TransferKind, HoldState]] = {
    "pending": "pending",
    "post": "posted",
    "void": "voided",
    "expire": "expired",
}
"""In which state a transfer of this kind leaves its hold."""


@dataclass(frozen=True, slots=True)
class ExpireHold:
    """Release a hold whose time is over; made by the ledger itself, never asked for from outside."""

    id: UUID
    pending_id: UUID
    reference: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    actor: str = "service:transaction"


@dataclass(frozen=True, slots=True)
class Submitted:
    """A command and on whose behalf it came: `ledger` for the public API, `payment` for payments."""

    command: TransferCommand | ExpireHold
    origin: Origin


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """Commands that came together: carried out all or none if `atomic`, else each for itself."""

    id: UUID
    commands: tuple[Submitted, ...]
    atomic: bool = True


@dataclass(slots=True)
class Hold:
    """A pending transfer's mutable state. `limit_day` is the day it counts against, None if it does not."""

    transfer_id: UUID
    currency: str
    origin: Origin
    legs: tuple[Leg, ...]
    amount_minor: int
    expires_at: datetime | None
    limit_day: date | None
    state: HoldState = "pending"
    posted_amount_minor: int = 0
    resolved_by: UUID | None = None


@dataclass(slots=True)
class KnownTransfer:
    """A transfer that exists. `legs` are its posted legs where they are needed for a reversal."""

    id: UUID
    kind: TransferKind
    currency: str
    amount_minor: int
    fingerprint: bytes
    origin: Origin
    created_at: datetime
    legs: tuple[Leg, ...] = ()
    reversed_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One line to be written. `balance_after_minor` is the account's posted balance after it."""

    transfer_id: UUID
    leg: int
    account_id: UUID
    direction: Direction
    phase: Phase
    amount_minor: int
    limit_day: date | None
    account_version: int
    balance_after_minor: int


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """One transfer to be written, with its lines."""

    id: UUID
    kind: TransferKind
    currency: str
    amount_minor: int
    pending_id: UUID | None
    reverses_id: UUID | None
    batch_id: UUID | None
    origin: Origin
    reference: str
    metadata: dict[str, str]
    fingerprint: bytes
    actor: str
    expires_at: datetime | None
    created_at: datetime
    entries: tuple[NewEntry, ...]


@dataclass(slots=True)
class Book:
    """Everything that a group of commands refers to, read under the locks of all accounts it touches.

    `now` is the database's clock after the locks were taken, so that it never runs backwards within an
    account. `accounts`, `transfers` and `holds` change as commands are carried out.
    """

    now: datetime
    accounts: dict[UUID, LedgerAccount]
    transfers: dict[UUID, KnownTransfer] = field(default_factory=dict)
    holds: dict[UUID, Hold] = field(default_factory=dict)


@dataclass(slots=True)
class Decided:
    """What a group comes to: one result per item in order, and what must be written for it."""

    results: list[CommandResult] = field(default_factory=list)
    transfers: list[NewTransfer] = field(default_factory=list)
    holds_made: list[Hold] = field(default_factory=list)
    holds_resolved: list[Hold] = field(default_factory=list)
