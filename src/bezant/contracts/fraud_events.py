"""Data of the events on `fraud.events`.

The subject of the first three is the payment's id, so that what is known of one payment stays in order; that of
`fraud.rules_changed` is `rules`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from bezant.contracts.internal.fraud import Decision

FRAUD_ASSESSED: Final = "fraud.assessed"
FRAUD_CASE_OPENED: Final = "fraud.case_opened"
FRAUD_CASE_DECIDED: Final = "fraud.case_decided"
FRAUD_RULES_CHANGED: Final = "fraud.rules_changed"


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
