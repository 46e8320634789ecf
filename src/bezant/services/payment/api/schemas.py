"""What the payment API reads and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from bezant.contracts.annotations import Metadata, Reference, Text
from bezant.contracts.money import AmountMinor, Balance, Money

MAX_BATCH = 500
_ShortText = Annotated[Text, Field(max_length=200)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SplitSchema(_Request):
    """A part of the amount for another account than the destination: a fee, a partner's share."""

    account_id: UUID
    amount_minor: AmountMinor


class ContextRequest(_Request):
    """What your product knows about the person paying; the fraud rules see it. Every field is optional."""

    ip: _ShortText | None = Field(None, examples=["203.0.113.7"])
    device_id: _ShortText | None = None
    email: _ShortText | None = None
    user_agent: Annotated[Text, Field(max_length=500)] | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None


class PaymentRequest(_Request):
    """A payment to be made."""

    source_account_id: UUID
    destination_account_id: UUID
    amount: Money
    capture: Literal["automatic", "manual"] = Field(
        "automatic", description="`manual` holds the money until you capture it"
    )
    splits: Annotated[list[SplitSchema], Field(max_length=32)] = []
    reference: Reference = ""
    context: ContextRequest = ContextRequest()
    metadata: Metadata = {}
    expires_in_seconds: Annotated[int, Field(strict=True, ge=1, le=30 * 86400)] = Field(
        7 * 86400, description="How long a hold lasts that is neither captured nor decided"
    )


class PaymentBatchItem(PaymentRequest):
    """One payment of a batch; `idempotency_key` is the batch's key and the position unless it is given."""

    idempotency_key: Annotated[str, Field(pattern="^[ -~]{1,255}$")] | None = None


class PaymentBatchRequest(_Request):
    """Independent payments: each has its own outcome."""

    payments: Annotated[list[PaymentBatchItem], Field(min_length=1, max_length=MAX_BATCH)]


class PaymentCaptureRequest(_Request):
    """How much to capture; without an amount all of it. The rest of the hold is released."""

    amount_minor: AmountMinor | None = None
    splits: Annotated[list[SplitSchema], Field(max_length=32)] | None = Field(
        None, description="How the captured amount is split; without it as the payment says"
    )
    reference: Reference = ""


class PaymentVoidRequest(_Request):
    """Why the payment is voided."""

    reference: Reference = ""


class RefundRequest(_Request):
    """How much to refund; without an amount all that is left."""

    amount_minor: AmountMinor | None = None
    reference: Reference = ""


class RiskAnswer(BaseModel):
    """What the fraud checks said."""

    decision: Literal["approve", "review", "decline"] | None = Field(description="What was acted on")
    score: int | None = Field(description="0 (nothing found) to 100 (certain); null until there is one")
    reasons: list[str] = Field(
        description="`fraud_unavailable`: decided by the tenant's policy, as the checks were down; what they found "
        "later follows it"
    )
    scored: bool = Field(description="Whether the fraud service has judged it, perhaps later")


class PaymentAnswer(BaseModel):
    """A payment."""

    id: UUID
    status: Literal[
        "processing", "requires_review", "authorized", "captured", "partially_refunded", "refunded", "voided",
        "declined", "failed", "expired",
    ]  # fmt: skip
    amount: Balance
    captured: Balance
    refunded: Balance
    source_account_id: UUID
    destination_account_id: UUID
    splits: list[SplitSchema]
    capture: Literal["automatic", "manual"]
    reference: str
    metadata: dict[str, str]
    reason_code: str | None = Field(description="Why it was declined or failed, e.g. insufficient_funds")
    risk: RiskAnswer
    expires_at: datetime | None = Field(description="When the hold runs out, while there is one")
    created_at: datetime
    updated_at: datetime


class RefundAnswer(BaseModel):
    """A refund, and the payment after it."""

    id: UUID
    payment_id: UUID
    status: Literal["processing", "succeeded", "failed"]
    amount: Balance
    reference: str
    reason_code: str | None
    created_at: datetime
    payment: PaymentAnswer


class RefundList(BaseModel):
    """All refunds of a payment."""

    data: list[RefundAnswer]


class PaymentBatchResult(BaseModel):
    """The outcome of one payment of a batch, as if it had been sent alone."""

    status: int = Field(description="The HTTP status that the payment alone would have got")
    payment: PaymentAnswer | None = None
    problem: dict[str, Any] | None = None


class PaymentBatchAnswer(BaseModel):
    """One result for each payment, in order."""

    results: list[PaymentBatchResult]


class IdempotencyAnswer(BaseModel):
    """What became of the request with a key."""

    key: str
    resource: Literal["accounts", "payments", "transfers"] = Field(
        description="Below which path the request was made: `accounts` for /v1/accounts, and so on"
    )
    status: Literal["in_progress", "completed"]
    resource_id: UUID = Field(description="The account, payment, refund, transfer or batch that the request made")
    response_status: int | None
    response_body: dict[str, Any] | None
    created_at: datetime
