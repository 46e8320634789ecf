"""Requests and answers of the public ledger API."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bezant.contracts.annotations import Instant, Metadata, Reference
from bezant.contracts.internal.ledger import Direction, TransferKind
from bezant.contracts.money import AmountMinor, Balance, CurrencyCode, Money


class LegRequest(BaseModel):
    """One line of a transfer with several legs."""

    model_config = ConfigDict(extra="forbid")

    account_id: UUID
    direction: Literal["debit", "credit"]
    amount_minor: AmountMinor


class TransferRequest(BaseModel):
    """A transfer: either `debit_account_id`, `credit_account_id` and `amount`, or `currency` and `legs`."""

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = Field(None, description="Your own id for it; the same id and content again changes nothing")
    debit_account_id: UUID | None = None
    credit_account_id: UUID | None = None
    amount: Money | None = None
    currency: CurrencyCode | None = None
    legs: Annotated[list[LegRequest], Field(min_length=2, max_length=64)] | None = None
    pending: bool = Field(False, description="Hold the money until it is posted, voided or expires")
    expires_at: Instant | None = Field(None, description="When a pending transfer expires; never without it")
    reference: Reference = ""
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        simple = (self.debit_account_id, self.credit_account_id, self.amount)
        several = (self.currency, self.legs)
        if not (
            (all(field is not None for field in simple) and several == (None, None))
            or (all(field is not None for field in several) and simple == (None, None, None))
        ):
            raise ValueError(
                "send either debit_account_id, credit_account_id and amount, or currency and legs, and not both"
            )
        if self.expires_at is not None and not self.pending:
            raise ValueError("expires_at belongs to a pending transfer: send pending true with it")
        return self


class BatchRequest(BaseModel):
    """Several transfers in one request: all or none with `atomic`, else each for itself."""

    model_config = ConfigDict(extra="forbid")

    transfers: list[TransferRequest] = Field(min_length=1, max_length=500)
    atomic: bool = False


class _Following(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: UUID | None = Field(None, description="Your own id for the new transfer")
    reference: Reference = ""
    metadata: Metadata = {}


class PostRequest(_Following):
    """Post a pending transfer: all of it, an `amount` of it, or `legs` that say how a part is spread."""

    amount: Money | None = None
    legs: Annotated[list[LegRequest], Field(min_length=2, max_length=64)] | None = None


class VoidRequest(_Following):
    """Release a pending transfer."""


class ReverseRequest(_Following):
    """Post the mirror image of a transfer."""


class LegView(BaseModel):
    """One line of a transfer, in minor units of the transfer's currency."""

    account_id: UUID
    direction: Direction
    amount_minor: int


class Transfer(BaseModel):
    """A transfer.

    `status` is `pending`, `posted`, `voided` or `expired` for a hold as it is now, `reversed` for what has been
    reversed, and else what the transfer did: `posted`, `voided` or `expired` the hold `pending_id`.
    """

    id: UUID
    kind: TransferKind
    status: Literal["pending", "posted", "voided", "expired", "reversed"]
    amount: Balance
    posted_amount: Balance | None = Field(None, description="How much of a hold has been posted")
    debit_account_id: UUID | None = Field(None, description="Null when several accounts are debited")
    credit_account_id: UUID | None = Field(None, description="Null when several accounts are credited")
    legs: list[LegView]
    pending_id: UUID | None = Field(None, description="The hold that this posted, voided or expired")
    resolved_by: UUID | None = Field(None, description="What posted, voided or expired this hold")
    reverses_id: UUID | None = None
    reversed_by: UUID | None = None
    batch_id: UUID | None = None
    origin: Literal["ledger", "payment"]
    expires_at: datetime | None = None
    reference: str
    metadata: dict[str, str]
    created_at: datetime


class BatchPart(BaseModel):
    """What became of one transfer of a batch."""

    status: Literal["created", "exists", "refused"]
    id: UUID
    transfer: Transfer | None = None
    reason_code: str | None = None
    detail: str | None = None


class Batch(BaseModel):
    """What became of a batch, in the order of its transfers."""

    id: UUID
    atomic: bool
    results: list[BatchPart]


class DifferenceView(BaseModel):
    """A figure that is not what the rows say."""

    check: str
    what: str
    id: str
    field: str
    expected: str | None
    found: str | None


class CurrencyTotalView(BaseModel):
    """All accounts of a currency together: posted and pending are zero in books that balance."""

    currency: str
    posted: Balance
    pending: Balance
    credited: Balance


class LedgerCheckView(BaseModel):
    """The result of recomputing the ledger. `differences` names up to 100 of each kind of difference."""

    consistent: bool
    checked_at: datetime
    accounts: int
    transfers: int
    entries: int
    open_holds: int
    totals: list[CurrencyTotalView]
    difference_count: int
    differences: list[DifferenceView]
