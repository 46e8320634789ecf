"""Requests and answers of the public fraud API."""

import ipaddress
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bezant.contracts.annotations import Text
from bezant.contracts.fraud_events import CaseDecision
from bezant.contracts.internal.fraud import Assessment, Decision
from bezant.contracts.money import CurrencyCode, Money
from bezant.services.fraud.domain.cases import Case, CaseStatus, StoredAssessment
from bezant.services.fraud.domain.compiled_rules import MAX_EXPRESSION_LENGTH, MAX_RULES
from bezant.services.fraud.domain.rules import (
    DEFAULT_RULES,
    DEFAULT_RULESET,
    THRESHOLDS,
    VARIABLES,
    BlockLists,
    Rule,
    RuleAction,
    Ruleset,
)
from bezant.services.fraud.operations.change_rules import RulesetRecord, RulesetSummary


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


Ip = Annotated[str, Field(max_length=45, examples=["203.0.113.7"]), AfterValidator(_address)]


class ContextIn(_Strict):
    """What the caller's product knows about the person paying; all optional."""

    ip: Ip | None = None
    device_id: Text | None = Field(None, min_length=1, max_length=200)
    email: Text | None = Field(None, min_length=3, max_length=320)
    user_agent: Text | None = Field(None, max_length=500)
    country: str | None = Field(None, pattern="^[A-Z]{2}$", examples=["BR"])


class DryRunIn(_Strict):
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
            case_id=stored.case_id,
            created_at=stored.created_at,
            assessed_at=stored.assessed_at,
        )


class CaseOut(BaseModel):
    """A payment that waited, or waits, for a person."""

    id: UUID
    payment_id: UUID
    assessment_id: UUID
    status: CaseStatus
    amount: Money
    source_account_id: UUID
    destination_account_id: UUID
    score: int
    reasons: list[str]
    ruleset_version: int
    features: dict[str, Any] = Field(description="What the rules saw")
    opened_at: datetime
    note: str | None
    decided_by: str | None
    decided_at: datetime | None

    @classmethod
    def of(cls, case: Case) -> Self:
        """Return the answer for a case."""
        return cls(
            id=case.id,
            payment_id=case.payment_id,
            assessment_id=case.assessment_id,
            status=case.status,
            amount=Money(amount_minor=case.amount_minor, currency=case.currency),
            source_account_id=case.source_account_id,
            destination_account_id=case.destination_account_id,
            score=case.score,
            reasons=case.reasons,
            ruleset_version=case.ruleset_version,
            features=case.features,
            opened_at=case.opened_at,
            note=case.note,
            decided_by=case.decided_by,
            decided_at=case.decided_at,
        )


class CaseDecisionIn(_Strict):
    """How a person settles a case."""

    decision: CaseDecision
    note: Text = Field("", max_length=2_000, description="Why; kept with the case and in the audit log")


class RuleIn(_Strict):
    """A rule; `code` is the reason that a payment gets when it matches."""

    code: str = Field(pattern="^[a-z][a-z0-9_]{1,63}$", examples=["night_payment"])
    description: Text = Field("", max_length=500)
    action: RuleAction
    score: int = Field(50, ge=1, le=100, strict=True)
    expression: Text = Field(
        min_length=1,
        max_length=MAX_EXPRESSION_LENGTH,
        description="CEL (https://cel.dev) that answers true for a suspicious payment",
        examples=["amount > limit_review_amount && hour_utc < 5"],
    )
    enabled: bool = True


class BlockListsIn(_Strict):
    """Parties that no payment may have."""

    account_ids: set[UUID] = Field(default_factory=set, max_length=10_000)
    device_ids: set[Annotated[Text, Field(min_length=1, max_length=200)]] = Field(
        default_factory=set, max_length=10_000
    )
    ips: set[Ip] = Field(default_factory=set, max_length=10_000)
    emails: set[Annotated[Text, Field(min_length=3, max_length=320)]] = Field(default_factory=set, max_length=10_000)
    countries: set[Annotated[str, Field(pattern="^[A-Z]{2}$")]] = Field(default_factory=set, max_length=300)


ThresholdValues = dict[Annotated[str, Field(max_length=100)], Annotated[float, Field(ge=0, le=1e18)]]


class RulesIn(_Strict):
    """A whole rule set. A part that is left out is the one that ships with the product."""

    rules: list[RuleIn] | None = Field(None, max_length=MAX_RULES)
    thresholds: ThresholdValues = Field(
        default_factory=dict,
        description="In major units; amounts are scaled by the currency's order of magnitude",
        examples=[{"review_amount": 5000}],
    )
    thresholds_by_currency: dict[CurrencyCode, ThresholdValues] = Field(
        default_factory=dict,
        description="In major units of that currency",
        examples=[{"JPY": {"review_amount": 750000}}],
    )
    block_lists: BlockListsIn = BlockListsIn()
    based_on_version: int | None = Field(None, ge=1, description="Refuse with 409 unless this version is active")
    note: Text = Field("", max_length=2_000, description="Why; kept in the history")

    def ruleset(self) -> Ruleset:
        """Return the rule set that is asked for; its version is assigned when it is activated."""
        return Ruleset(
            version=0,
            rules=DEFAULT_RULES if self.rules is None else tuple(Rule(**rule.model_dump()) for rule in self.rules),
            thresholds=DEFAULT_RULESET.thresholds | self.thresholds,
            thresholds_by_currency=dict(self.thresholds_by_currency),
            block_lists=BlockLists(
                account_ids=frozenset(str(account_id) for account_id in self.block_lists.account_ids),
                device_ids=frozenset(self.block_lists.device_ids),
                ips=frozenset(self.block_lists.ips),
                emails=frozenset(email.lower() for email in self.block_lists.emails),
                countries=frozenset(self.block_lists.countries),
            ),
        )


class RuleOut(RuleIn):
    """A rule as it is stored."""


class VariableOut(BaseModel):
    """Something that a rule can look at."""

    type: str
    description: str
    needs_velocity: bool = Field(description="Rules that use it are passed over while the counters are unreachable")


class RulesOut(BaseModel):
    """A rule set."""

    version: int
    rules: list[RuleOut]
    thresholds: dict[str, float]
    thresholds_by_currency: dict[str, dict[str, float]]
    block_lists: BlockListsIn
    note: str
    created_by: str | None = Field(description="Null for the rule set that ships with the product")
    created_at: datetime | None
    variables: dict[str, VariableOut] = Field(description="What the expressions of rules can use")
    threshold_descriptions: dict[str, str]

    @classmethod
    def of(cls, record: RulesetRecord) -> Self:
        """Return the answer for a rule set."""
        ruleset, lists = record.ruleset, record.ruleset.block_lists
        return cls(
            version=ruleset.version,
            rules=[
                RuleOut(
                    code=rule.code,
                    description=rule.description,
                    action=rule.action,
                    score=rule.score,
                    expression=rule.expression,
                    enabled=rule.enabled,
                )
                for rule in ruleset.rules
            ],
            thresholds=ruleset.thresholds,
            thresholds_by_currency=ruleset.thresholds_by_currency,
            block_lists=BlockListsIn(
                account_ids={UUID(account_id) for account_id in lists.account_ids},
                device_ids=set(lists.device_ids),
                ips=set(lists.ips),
                emails=set(lists.emails),
                countries=set(lists.countries),
            ),
            note=record.note,
            created_by=record.created_by,
            created_at=record.created_at,
            variables={name: VariableOut(**variable._asdict()) for name, variable in VARIABLES.items()},
            threshold_descriptions={name: threshold.description for name, threshold in THRESHOLDS.items()},
        )


class RulesVersionOut(BaseModel):
    """One line of the history."""

    version: int
    note: str
    created_by: str | None
    created_at: datetime | None

    @classmethod
    def of(cls, summary: RulesetSummary) -> Self:
        """Return the answer for a line of the history."""
        return cls(
            version=summary.version,
            note=summary.note,
            created_by=summary.created_by,
            created_at=summary.created_at,
        )


class RulesHistoryOut(BaseModel):
    """The history, newest first."""

    data: list[RulesVersionOut]
    next_before: int | None = Field(description="Send it as `before` for the next page; null on the last one")
