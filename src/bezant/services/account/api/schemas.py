"""Requests and answers of the accounts API."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from bezant.contracts.annotations import Metadata, Text
from bezant.contracts.internal.ledger import Direction, TransferKind
from bezant.contracts.money import MAX_AMOUNT_MINOR, Balance, CurrencyCode

Name = Annotated[Text, Field(min_length=1, max_length=200, examples=["Ada's Bakery"])]
LimitMinor = Annotated[
    int, Field(strict=True, ge=0, le=MAX_AMOUNT_MINOR, description="In minor units of the account's currency")
]
AccountTypeName = Literal["customer", "merchant", "settlement", "fee"]
AccountStatusName = Literal["open", "frozen", "closed"]


class AccountRequest(BaseModel):
    """An account to open."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    currency: CurrencyCode
    type: AccountTypeName = Field(
        description="customer and merchant hold other people's money, fee your own earnings; money enters and "
        "leaves through settlement accounts, which may go below zero without limit"
    )
    overdraft_limit_minor: LimitMinor = Field(0, description="How far below zero a customer account may go")
    daily_limit_minor: LimitMinor | None = Field(None, description="How much may be paid out per UTC day; null: any")
    metadata: Metadata = {}


class DescriptionRequest(BaseModel):
    """What to call an account; fields left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    metadata: Metadata | None = None


class LimitsRequest(BaseModel):
    """New limits; fields left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    overdraft_limit_minor: LimitMinor | None = Field(None, description="How far below zero it may go")
    daily_limit_minor: LimitMinor | None = Field(None, description="Null lifts the daily limit")


class AccountView(BaseModel):
    """An account."""

    id: UUID
    name: str
    type: AccountTypeName
    currency: str
    status: AccountStatusName
    overdraft_limit_minor: int | None = Field(description="Null: unlimited")
    daily_limit_minor: int | None = Field(description="Null: none")
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime


class BalanceView(BaseModel):
    """What an account holds now.

    `available` is what is posted less what holds will take out; `overdraft_limit` may be spent beyond it
    (null: unlimited). `pending_incoming` cannot be spent before it is posted.
    """

    account_id: UUID
    status: AccountStatusName
    posted: Balance
    available: Balance
    pending: Balance = Field(description="What open holds will take out")
    pending_incoming: Balance
    overdraft_limit: Balance | None
    daily_limit: Balance | None
    daily_used: Balance = Field(description="What counts against the daily limit today (UTC)")


class StatementLine(BaseModel):
    """One posted entry; a debit takes money out, a credit brings it in."""

    transfer_id: UUID
    kind: TransferKind
    direction: Direction
    amount: Balance
    balance_after: Balance
    reference: str
    created_at: datetime


class StatementView(BaseModel):
    """A page of a statement, oldest entry first.

    `opening_balance` and `closing_balance` are those of the whole period; `page_opening_balance` is the balance
    before the first entry of this page.
    """

    account_id: UUID
    opening_balance: Balance
    closing_balance: Balance
    page_opening_balance: Balance
    entries: list[StatementLine]
    next_cursor: str | None
