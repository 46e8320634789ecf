"""Data of the events on `fraud.events`.

The subject of what is about a payment is the payment's id, so that what is known of one payment stays in order;
that of `fraud.rules_changed` is `rules`, that of `fraud.settings_changed` is `settings`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from bezant.contracts.internal.fraud import Decision

FRAUD_ASSESSED: Final = "fraud.assessed"
FRAUD_CASE_OPENED: Final = "fraud.case_opened"
FRAUD_CASE_ASSIGNED: Final = "fraud.case_assigned"
FRAUD_CASE_NOTED: Final = "fraud.case_noted"
FRAUD_CASE_PROPOSED: Final = "fraud.case_proposed"
FRAUD_CASE_DECIDED: Final = "fraud.case_decided"
FRAUD_RULES_CHANGED: Final = "fraud.rules_changed"
FRAUD_PAYMENT_LABELLED: Final = "fraud.payment_labelled"
FRAUD_SETTINGS_CHANGED: Final = "fraud.settings_changed"


class CaseDecision(StrEnum):
    """How a person settles a case."""

    APPROVE = "approve"
    """The held money goes its way: captured, or left authorized if capture is manual."""
    DECLINE = "decline"
    """The held money is released to the payer."""


class CaseOrigin(StrEnum):
    """Why a person has to look."""

    RULES = "rules"
    """A rule asked for it."""
    FRAUD_UNAVAILABLE = "fraud_unavailable"
    """The payment was held because no judgement could be had in time, by the tenant's policy."""


class FraudAssessed(msgspec.Struct, frozen=True, kw_only=True):
    """A payment was judged."""

    assessment_id: UUID
    payment_id: UUID
    source_account_id: UUID
    destination_account_id: UUID
    amount_minor: int
    currency: str
    decision: Decision
    score: int
    reasons: list[str]
    ruleset_version: int
    degraded: bool


class FraudCaseOpened(msgspec.Struct, frozen=True, kw_only=True):
    """A payment waits for a person."""

    case_id: UUID
    assessment_id: UUID
    payment_id: UUID
    score: int
    reasons: list[str]
    origin: CaseOrigin = CaseOrigin.RULES


class FraudCaseDecided(msgspec.Struct, frozen=True, kw_only=True):
    """A person has settled a case: the payment service settles or releases the held money."""

    case_id: UUID
    payment_id: UUID
    decision: CaseDecision
    note: str
    """Free text of the person who decided."""
    decided_by: str
    """Actor, for example `key:<id>`."""
    decided_at: datetime


class FraudRulesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Another rule set judges from now on."""

    version: int
    rule_codes: list[str]
    note: str
    changed_by: str
    mode: str = "active"
    """`active`, `shadow` for a rule set that judges beside the active one, `shadow_ended`."""


class CaseChange(StrEnum):
    """What people do with a case before it is decided."""

    ASSIGNED = "assigned"
    """`assignee` works on it, or nobody any more."""
    NOTED = "noted"
    """Somebody wrote a note."""
    PROPOSED = "proposed"
    """A first person has decided; a second one has to."""


TYPE_OF_CHANGE: Final = {
    CaseChange.ASSIGNED: FRAUD_CASE_ASSIGNED,
    CaseChange.NOTED: FRAUD_CASE_NOTED,
    CaseChange.PROPOSED: FRAUD_CASE_PROPOSED,
}


class FraudCaseChanged(msgspec.Struct, frozen=True, kw_only=True):
    """People work on a case."""

    case_id: UUID
    payment_id: UUID
    change: CaseChange
    assignee: str | None = None
    note: str | None = None
    decision: str | None = None


class PaymentLabel(StrEnum):
    """What a payment turned out to be."""

    FRAUD = "fraud"
    LEGITIMATE = "legitimate"


class FraudPaymentLabelled(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody said what a payment turned out to be."""

    payment_id: UUID
    label: PaymentLabel
    source: str
    note: str
    labelled_by: str


class FraudSettingsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant asks something else of reviews."""

    second_person: str
    changed_by: str
