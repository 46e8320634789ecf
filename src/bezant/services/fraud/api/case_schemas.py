"""Requests and answers about cases, labels and what the tenant asks of reviews."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from bezant.contracts.annotations import Text
from bezant.contracts.fraud_events import CaseDecision, CaseOrigin, PaymentLabel
from bezant.contracts.money import Money
from bezant.services.fraud.api.schemas import Strict
from bezant.services.fraud.domain.cases import (
    Case,
    CaseNote,
    CaseStatus,
    Label,
    LabelSource,
    Proposal,
    ReviewSettings,
    SecondPerson,
)


class ProposalOut(BaseModel):
    """A first person's decision, which a second person has to make too."""

    status: CaseStatus
    proposed_by: str
    note: str
    proposed_at: datetime

    @classmethod
    def of(cls, proposal: Proposal) -> Self:
        """Return the answer for a proposal."""
        return cls(
            status=proposal.status,
            proposed_by=proposal.proposed_by,
            note=proposal.note,
            proposed_at=proposal.proposed_at,
        )


class CaseOut(BaseModel):
    """A payment that waited, or waits, for a person."""

    id: UUID
    payment_id: UUID
    assessment_id: UUID
    status: CaseStatus
    origin: CaseOrigin = Field(description="`fraud_unavailable`: held by policy, as the checks were down; judged later")
    amount: Money
    source_account_id: UUID
    destination_account_id: UUID
    score: int
    reasons: list[str]
    ruleset_version: int
    features: dict[str, Any] = Field(description="What the rules saw")
    opened_at: datetime
    assignee: str | None = Field(description="Who works on it")
    assigned_at: datetime | None
    proposal: ProposalOut | None = Field(description="Stays when the case is decided: who was the first of two")
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
            origin=case.origin,
            amount=Money(amount_minor=case.amount_minor, currency=case.currency),
            source_account_id=case.source_account_id,
            destination_account_id=case.destination_account_id,
            score=case.score,
            reasons=case.reasons,
            ruleset_version=case.ruleset_version,
            features=case.features,
            opened_at=case.opened_at,
            assignee=case.assignee,
            assigned_at=case.assigned_at,
            proposal=None if case.proposal is None else ProposalOut.of(case.proposal),
            note=case.note,
            decided_by=case.decided_by,
            decided_at=case.decided_at,
        )


class CaseDecisionIn(Strict):
    """How a person settles a case."""

    decision: CaseDecision
    note: Text = Field("", max_length=2_000, description="Why; kept with the case and in the audit log")


class AssignmentIn(Strict):
    """Who works on a case."""

    assignee: Text | None = Field(min_length=1, max_length=200, description="An actor; null gives it back to the queue")


class CaseNoteIn(Strict):
    """Something to write about a case."""

    note: Text = Field(min_length=1, max_length=4_000)


class CaseNoteOut(BaseModel):
    """Something that somebody wrote about a case."""

    id: UUID
    author: str
    note: str
    written_at: datetime

    @classmethod
    def of(cls, written: CaseNote) -> Self:
        """Return the answer for a note."""
        return cls(id=written.id, author=written.author, note=written.note, written_at=written.written_at)


class LabelIn(Strict):
    """What a payment turned out to be."""

    label: PaymentLabel
    source: LabelSource = LabelSource.OTHER
    note: Text = Field("", max_length=2_000)


class LabelOut(BaseModel):
    """What a payment turned out to be, by the last who said so."""

    label: PaymentLabel
    source: LabelSource
    note: str
    labelled_by: str
    labelled_at: datetime

    @classmethod
    def of(cls, label: Label) -> Self:
        """Return the answer for a label."""
        return cls(
            label=label.label,
            source=label.source,
            note=label.note,
            labelled_by=label.labelled_by,
            labelled_at=label.labelled_at,
        )


class ReviewSettingsIn(Strict):
    """What the tenant asks of reviews."""

    second_person: SecondPerson = Field(description="Which decisions a second person has to make too")


class ReviewSettingsOut(BaseModel):
    """What the tenant asks of reviews, and who decided that."""

    second_person: SecondPerson
    changed_by: str | None
    changed_at: datetime | None

    @classmethod
    def of(cls, settings: ReviewSettings) -> Self:
        """Return the answer for the settings."""
        return cls(second_person=settings.second_person, changed_by=settings.changed_by, changed_at=settings.changed_at)
