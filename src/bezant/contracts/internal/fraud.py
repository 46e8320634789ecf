"""What the payment service asks of the fraud service.

``POST /internal/v1/fraud/assessments`` carries `AssessmentRequest` items of many tenants and
answers one `Assessment` for each, in order. Asking twice about one ``payment_id`` gives the stored answer of
the first time: an assessment never changes, and a payment is counted once. Only a case may be added to it later.
The data of the events that follow from it is in `bezant.contracts.fraud_events`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

ASSESSMENTS_PATH = "fraud/assessments"
"""Path below ``/internal/v1/``."""


class Decision(StrEnum):
    """What is to happen to a payment."""

    APPROVE = "approve"
    """No rule objects."""
    REVIEW = "review"
    """A person has to look: the money is held, and a case is opened."""
    DECLINE = "decline"
    """The payment must not move money."""


class PaymentContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the caller's product knows about the person paying. Every field is optional and personal data."""

    ip: str | None = None
    """IPv4 or IPv6 address in its textual form."""
    device_id: str | None = None
    email: str | None = None
    user_agent: str | None = None
    country: str | None = None
    """ISO 3166-1 alpha-2 code of where the payer is."""


class AssessmentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One payment to be judged."""

    payment_id: UUID
    source_account_id: UUID
    destination_account_id: UUID
    amount_minor: int
    currency: str
    """ISO 4217 code; the rules see the amount in major units by this currency's exponent."""
    created_at: datetime
    """When the payment was created, with a time zone; the same on every retry, since windows are placed by it."""
    context: PaymentContext = PaymentContext()
    dry_run: bool = False
    """Count nothing, store nothing, publish nothing."""
    held_for_review: bool = False
    """The payment was held while the fraud service was away: a person decides, so it needs a case whatever the
    rules find now, also if it has been judged before."""


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one `AssessmentRequest`."""

    payment_id: UUID
    decision: Decision
    score: int
    """0 (nothing found) to 100 (certain)."""
    reasons: list[str]
    """Codes of the rules that matched, gravest first; ``velocity_unavailable`` if counters were not seen."""
    ruleset_version: int
    degraded: bool = False
    """Judged without velocity counters, because they could not be reached in time."""
    assessment_id: UUID | None = None
    """None for a dry run."""
    case_id: UUID | None = None
    """The case opened for a person, if the decision is review or the payment is held (and this is no dry run)."""
