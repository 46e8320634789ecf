"""The life of a payment: its statuses, what may be done in each, and what comes of it.

    processing -> captured | authorized | requires_review | declined | failed
    requires_review -> captured | authorized | declined | voided | expired
    authorized -> captured | voided | expired
    captured -> partially_refunded -> refunded

Pure rules; amounts are minor units of the payment's currency.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from bezant.contracts.internal.ledger import Leg
from bezant.services.payment.domain.problems import (
    AmountExceedsAuthorized,
    AmountExceedsRefundable,
    NotCapturable,
    NotRefundable,
    NotVoidable,
    SplitsExceedAmount,
)


class Status(StrEnum):
    """What has become of a payment."""

    PROCESSING = "processing"
    """Recorded; fraud and ledger have not both answered yet."""
    REQUIRES_REVIEW = "requires_review"
    """The money is held until a person has decided."""
    AUTHORIZED = "authorized"
    """The money is held until it is captured, voided or expires."""
    CAPTURED = "captured"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"
    DECLINED = "declined"
    """Refused by the fraud checks or by the person who reviewed it."""
    FAILED = "failed"
    """Refused by the ledger: funds, limits, a frozen account."""
    EXPIRED = "expired"


TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    Status.PROCESSING: frozenset(
        {Status.CAPTURED, Status.AUTHORIZED, Status.REQUIRES_REVIEW, Status.DECLINED, Status.FAILED}
    ),
    Status.REQUIRES_REVIEW: frozenset(
        {Status.CAPTURED, Status.AUTHORIZED, Status.DECLINED, Status.VOIDED, Status.EXPIRED}
    ),
    Status.AUTHORIZED: frozenset({Status.CAPTURED, Status.VOIDED, Status.EXPIRED}),
    Status.CAPTURED: frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED}),
    Status.PARTIALLY_REFUNDED: frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED}),
    Status.REFUNDED: frozenset(),
    Status.VOIDED: frozenset(),
    Status.DECLINED: frozenset(),
    Status.FAILED: frozenset(),
    Status.EXPIRED: frozenset(),
}


class ActionKind(StrEnum):
    """What is done to a payment after it was made."""

    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    EXPIRE = "expire"
    DECLINE = "decline"
    """The person who reviewed it said no: the hold is released."""


@dataclass(frozen=True, slots=True)
class Split:
    """A part of the amount that goes to another account than the destination: a fee, a partner's share."""

    account_id: UUID
    amount_minor: int


@dataclass(slots=True)
class Payment:
    """A payment as it is stored."""

    id: UUID
    source_account_id: UUID
    destination_account_id: UUID
    amount_minor: int
    currency: str
    capture: str
    splits: list[Split]
    reference: str
    metadata: dict[str, str]
    context: dict[str, Any]
    status: Status
    idempotency_key: str
    actor: str
    created_at: datetime
    updated_at: datetime
    reason_code: str | None = None
    risk: dict[str, Any] = field(default_factory=dict)
    unscored_decision: str | None = None
    captured_minor: int = 0
    refunded_minor: int = 0
    refunding_minor: int = 0
    attempt: int = 1
    version: int = 1
    expires_at: datetime | None = None

    def move(self, status: Status) -> None:
        """Change the status. Raises `ValueError` for a change that the life of a payment does not have."""
        if status not in TRANSITIONS[self.status]:
            raise ValueError(f"payment {self.id} cannot go from {self.status} to {status}")
        self.status = status
        self.version += 1


@dataclass(slots=True)
class Action:
    """A capture, void, refund, expiry or decline as it is stored. Its id is the ledger transfer's."""

    id: UUID
    payment_id: UUID
    kind: ActionKind
    amount_minor: int
    splits: list[Split] | None
    reference: str
    actor: str
    created_at: datetime
    idempotency_key: str | None = None
    status: str = "processing"
    reason_code: str | None = None
    attempt: int = 1
    finished_at: datetime | None = None


def payment_legs(payment: Payment, amount_minor: int, splits: Sequence[Split]) -> list[Leg]:
    """Return the ledger's legs: the source pays all, each split gets its part and the destination the rest.

    Raises `SplitsExceedAmount`.
    """
    shared = sum(split.amount_minor for split in splits)
    if shared >= amount_minor:
        raise SplitsExceedAmount(
            f"the splits take {shared} of {amount_minor} {payment.currency} minor units; at least one must be left "
            "for the destination. When you capture a part, say how that part is split"
        )
    return [
        Leg(payment.source_account_id, "debit", amount_minor),
        Leg(payment.destination_account_id, "credit", amount_minor - shared),
        *(Leg(split.account_id, "credit", split.amount_minor) for split in splits),
    ]


def amount_to_capture(payment: Payment, wanted_minor: int | None) -> int:
    """Return how much is captured; the rest of the hold is released.

    Raises `NotCapturable`, `AmountExceedsAuthorized`.
    """
    if payment.status is not Status.AUTHORIZED:
        raise NotCapturable(f"the payment is {payment.status}; only one that is authorized can be captured")
    if wanted_minor is None:
        return payment.amount_minor
    if wanted_minor > payment.amount_minor:
        raise AmountExceedsAuthorized(
            f"{payment.amount_minor} {payment.currency} minor units are authorized, {wanted_minor} were asked for"
        )
    return wanted_minor


def require_voidable(payment: Payment) -> None:
    """Raise `NotVoidable` unless the payment holds money that nobody has captured."""
    if payment.status not in (Status.AUTHORIZED, Status.REQUIRES_REVIEW):
        raise NotVoidable(
            f"the payment is {payment.status}; only one that is authorized or under review can be voided"
            + (". Refund it instead" if payment.captured_minor else "")
        )


def amount_to_refund(payment: Payment, wanted_minor: int | None) -> int:
    """Return how much is refunded. Raises `NotRefundable`, `AmountExceedsRefundable`."""
    if payment.status not in (Status.CAPTURED, Status.PARTIALLY_REFUNDED):
        raise NotRefundable(f"the payment is {payment.status}; only one that was captured can be refunded")
    left = payment.captured_minor - payment.refunded_minor - payment.refunding_minor
    amount = left if wanted_minor is None else wanted_minor
    if amount > left or amount == 0:
        raise AmountExceedsRefundable(
            f"{left} {payment.currency} minor units can still be refunded, {amount or 'all'} were asked for"
        )
    return amount


def status_after_refund(payment: Payment) -> Status:
    """Return the status once `refunded_minor` has been raised."""
    return Status.REFUNDED if payment.refunded_minor == payment.captured_minor else Status.PARTIALLY_REFUNDED
