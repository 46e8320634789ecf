"""Requests and answers about assessments."""

import ipaddress
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bezant.contracts.annotations import Text
from bezant.contracts.internal.fraud import Assessment, Decision
from bezant.contracts.money import Money
from bezant.services.fraud.domain.cases import StoredAssessment


class Strict(BaseModel):
    """A request body; fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


Ip = Annotated[str, Field(max_length=45, examples=["203.0.113.7"]), AfterValidator(_address)]


class ContextIn(Strict):
    """What the caller's product knows about the person paying; all optional."""

    ip: Ip | None = None
    device_id: Text | None = Field(None, min_length=1, max_length=200)
    email: Text | None = Field(None, min_length=3, max_length=320)
    user_agent: Text | None = Field(None, max_length=500)
    country: str | None = Field(None, pattern="^[A-Z]{2}$", examples=["BR"])


class DryRunIn(Strict):
    """A payment that is judged without being made."""

    source_account_id: UUID
    destination_account_id: UUID
    amount: Money
    context: ContextIn = ContextIn()


class JudgementOut(BaseModel):
    """How the rules judge a payment now."""

    decision: Decision
    score: int = Field(ge=0, le=100)
    reasons: list[str] = Field(description="Codes of the rules that matched, gravest first")
    ruleset_version: int
    degraded: bool = Field(description="Judged without velocity counters")

    @classmethod
    def of(cls, assessment: Assessment) -> Self:
        """Return the answer for an assessment."""
        return cls(
            decision=assessment.decision,
            score=assessment.score,
            reasons=assessment.reasons,
            ruleset_version=assessment.ruleset_version,
            degraded=assessment.degraded,
        )


class AssessmentOut(BaseModel):
    """A stored judgement; it never changes."""

    id: UUID
    payment_id: UUID
    source_account_id: UUID
    destination_account_id: UUID
    amount: Money
    decision: Decision
    score: int
    reasons: list[str]
    ruleset_version: int
    degraded: bool
    features: dict[str, Any] = Field(description="What the rules saw")
    shadow: dict[str, Any] | None = Field(
        description="What a rule set in shadow (`ruleset_version`, `decision`, `score`, `reasons`) and a model "
        "(`model`, `model_score`) said; neither had a part in the decision"
    )
    case_id: UUID | None
    created_at: datetime
    assessed_at: datetime

    @classmethod
    def of(cls, stored: StoredAssessment) -> Self:
        """Return the answer for a stored assessment."""
        return cls(
            id=stored.id,
            payment_id=stored.payment_id,
            source_account_id=stored.source_account_id,
            destination_account_id=stored.destination_account_id,
            amount=Money(amount_minor=stored.amount_minor, currency=stored.currency),
            decision=Decision(stored.decision),
            score=stored.score,
            reasons=stored.reasons,
            ruleset_version=stored.ruleset_version,
            degraded=stored.degraded,
            features=stored.features,
            shadow=stored.shadow,
            case_id=stored.case_id,
            created_at=stored.created_at,
            assessed_at=stored.assessed_at,
        )


class RecountOut(BaseModel):
    """What was counted anew."""

    payments: int = Field(description="Of the last seven days, one by one")
    older_payments: int = Field(description="As daily sums, as far back as counters remember")
