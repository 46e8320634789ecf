"""The events of the fraud service, made from what was written."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from bezant.contracts.events import FRAUD_EVENTS, Event
from bezant.contracts.fraud_events import (
    FRAUD_ASSESSED,
    FRAUD_CASE_DECIDED,
    FRAUD_CASE_OPENED,
    FRAUD_PAYMENT_LABELLED,
    FRAUD_RULES_CHANGED,
    FRAUD_SETTINGS_CHANGED,
    TYPE_OF_CHANGE,
    CaseChange,
    CaseDecision,
    FraudAssessed,
    FraudCaseChanged,
    FraudCaseDecided,
    FraudCaseOpened,
    FraudPaymentLabelled,
    FraudRulesChanged,
    FraudSettingsChanged,
    PaymentLabel,
)
from bezant.contracts.internal.fraud import Assessment, AssessmentRequest
from bezant.services.fraud.domain.cases import case_origin
from bezant.services.fraud.domain.rules import Ruleset

_ACTOR = "service:fraud"


def assessment_events(request: AssessmentRequest, assessment: Assessment) -> list[Event]:
    """Return the events of a stored assessment: what was judged, and the case if one was opened."""
    if assessment.assessment_id is None:
        raise ValueError("a dry run has no events")
    subject = str(request.payment_id)
    assessed = Event(
        type=FRAUD_ASSESSED,
        topic=FRAUD_EVENTS,
        subject=subject,
        actor=_ACTOR,
        opens=True,
        data=FraudAssessed(
            assessment_id=assessment.assessment_id,
            payment_id=request.payment_id,
            source_account_id=request.source_account_id,
            destination_account_id=request.destination_account_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            decision=assessment.decision,
            score=assessment.score,
            reasons=assessment.reasons,
            ruleset_version=assessment.ruleset_version,
            degraded=assessment.degraded,
        ),
    )
    if assessment.case_id is None:
        return [assessed]
    return [assessed, replace(case_opened(request, assessment), opens=True)]


def case_opened(request: AssessmentRequest, assessment: Assessment) -> Event:
    """Return the event that tells the risk people of a case."""
    if assessment.case_id is None or assessment.assessment_id is None:
        raise ValueError("no case was opened")
    return Event(
        type=FRAUD_CASE_OPENED,
        topic=FRAUD_EVENTS,
        subject=str(request.payment_id),
        actor=_ACTOR,
        data=FraudCaseOpened(
            case_id=assessment.case_id,
            assessment_id=assessment.assessment_id,
            payment_id=request.payment_id,
            score=assessment.score,
            reasons=assessment.reasons,
            origin=case_origin(request),
        ),
    )


def case_decided(
    *, case_id: UUID, payment_id: UUID, decision: CaseDecision, note: str, actor: str, decided_at: datetime
) -> Event:
    """Return the event that tells the payment service what a person decided."""
    return Event(
        type=FRAUD_CASE_DECIDED,
        topic=FRAUD_EVENTS,
        subject=str(payment_id),
        actor=actor,
        data=FraudCaseDecided(
            case_id=case_id,
            payment_id=payment_id,
            decision=decision,
            note=note,
            decided_by=actor,
            decided_at=decided_at,
        ),
    )


def rules_changed(ruleset: Ruleset, *, note: str, actor: str, mode: str) -> Event:
    """Return the event that announces another rule set, one in shadow, or the end of a shadow."""
    return Event(
        type=FRAUD_RULES_CHANGED,
        topic=FRAUD_EVENTS,
        subject="rules",
        actor=actor,
        data=FraudRulesChanged(
            version=ruleset.version,
            rule_codes=[rule.code for rule in ruleset.rules if rule.enabled],
            note=note,
            changed_by=actor,
            mode=mode,
        ),
    )


def case_changed(change: CaseChange, *, case_id: UUID, payment_id: UUID, actor: str, **facts: str | None) -> Event:
    """Return the event of what people do with a case before it is decided."""
    return Event(
        type=TYPE_OF_CHANGE[change],
        topic=FRAUD_EVENTS,
        subject=str(payment_id),
        actor=actor,
        data=FraudCaseChanged(case_id=case_id, payment_id=payment_id, change=change, **facts),
    )


def payment_labelled(payment_id: UUID, label: PaymentLabel, *, source: str, note: str, actor: str) -> Event:
    """Return the event of what a payment turned out to be."""
    return Event(
        type=FRAUD_PAYMENT_LABELLED,
        topic=FRAUD_EVENTS,
        subject=str(payment_id),
        actor=actor,
        data=FraudPaymentLabelled(payment_id=payment_id, label=label, source=source, note=note, labelled_by=actor),
    )


def settings_changed(second_person: str, *, actor: str) -> Event:
    """Return the event of a change of what the tenant asks of reviews."""
    return Event(
        type=FRAUD_SETTINGS_CHANGED,
        topic=FRAUD_EVENTS,
        subject="settings",
        actor=actor,
        data=FraudSettingsChanged(second_person=second_person, changed_by=actor),
    )
