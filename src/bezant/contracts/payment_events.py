"""Data of the events on `payment.events`; `dataschema` names type and version, fields are only ever added."""

from datetime import datetime
from uuid import UUID

import msgspec


class PaymentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`payment.captured|authorized|requires_review|declined|failed|voided|expired|refunded`: the payment after it.

    Amounts are minor units of `currency`. `version` grows by one with each change of the payment. `action_id` is
    the capture, void or refund behind the event and `action_amount_minor` its amount.
    """

    payment_id: UUID
    status: str
    amount_minor: int
    currency: str
    captured_minor: int
    refunded_minor: int
    source_account_id: UUID
    destination_account_id: UUID
    version: int
    reference: str
    reason_code: str | None = None
    risk_score: int | None = None
    risk_reasons: list[str] = []
    action_id: UUID | None = None
    action_amount_minor: int | None = None
    created_at: datetime


class PaymentRescored(msgspec.Struct, frozen=True, kw_only=True):
    """`payment.rescored`: what the fraud checks say of a payment that was approved while they were down."""

    payment_id: UUID
    decision: str
    score: int
    reasons: list[str]
