"""Cases: payments that wait for a person, and what was found about them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from bezant.contracts.fraud_events import CaseOrigin
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


def case_origin(request: AssessmentRequest) -> CaseOrigin:
    """Return why a case that this request opens is opened."""
    return CaseOrigin.FRAUD_UNAVAILABLE if request.held_for_review else CaseOrigin.RULES
