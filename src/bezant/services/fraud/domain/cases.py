"""Cases: payments that wait for a person, and what was found about them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from bezant.contracts.fraud_events import CaseOrigin, PaymentLabel
from bezant.contracts.internal.fraud import AssessmentRequest


class CaseStatus(StrEnum):
    """Where a case stands. It is decided once."""

    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Case:
    """A case with the assessment that opened it."""

    id: UUID
    payment_id: UUID
    assessment_id: UUID
    status: CaseStatus
    opened_at: datetime
    note: str | None
    decided_by: str | None
    decided_at: datetime | None
    score: int
    reasons: list[str]
    ruleset_version: int
    amount_minor: int
    currency: str
    source_account_id: UUID
    destination_account_id: UUID
    features: dict[str, Any]
    """What the rules saw."""
    origin: CaseOrigin
    assignee: str | None = None
    assigned_at: datetime | None = None
    proposal: "Proposal | None" = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A first person's decision, which a second person has to make too before it holds."""

    status: CaseStatus
    proposed_by: str
    note: str
    proposed_at: datetime


@dataclass(frozen=True, slots=True)
class CaseNote:
    """What somebody wrote about a case."""

    id: UUID
    author: str
    note: str
    written_at: datetime


class SecondPerson(StrEnum):
    """Which decisions of cases a second person has to make too."""

    NEVER = "never"
    APPROVALS = "approvals"
    """Those that let money go."""
    ALWAYS = "always"

    def is_needed_for(self, status: CaseStatus) -> bool:
        """Return whether a decision needs two people."""
        return self is SecondPerson.ALWAYS or (self is SecondPerson.APPROVALS and status is CaseStatus.APPROVED)


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """What the tenant asks of reviews, and who decided that."""

    second_person: SecondPerson
    changed_by: str | None
    changed_at: datetime | None


class LabelSource(StrEnum):
    """How it was found out what a payment was."""

    REVIEW = "review"
    CHARGEBACK = "chargeback"
    REPORT = "report"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Label:
    """What a payment turned out to be."""

    label: PaymentLabel
    source: LabelSource
    note: str
    labelled_by: str
    labelled_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAssessment:
    """A stored judgement with what it was made from."""

    id: UUID
    payment_id: UUID
    source_account_id: UUID
    destination_account_id: UUID
    amount_minor: int
    currency: str
    decision: str
    score: int
    reasons: list[str]
    ruleset_version: int
    degraded: bool
    features: dict[str, Any]
    created_at: datetime
    assessed_at: datetime
    case_id: UUID | None
    shadow: dict[str, Any] | None
    """What a shadow rule set and a model said; neither had a part in the decision."""


def case_origin(request: AssessmentRequest) -> CaseOrigin:
    """Return why a case that this request opens is opened."""
    return CaseOrigin.FRAUD_UNAVAILABLE if request.held_for_review else CaseOrigin.RULES
