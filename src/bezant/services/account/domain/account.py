"""An account as its owner sees it, and the rules about its limits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from bezant.contracts.internal.ledger import AccountType
from bezant.services.account.domain.changes import Change
from bezant.services.account.domain.problems import LimitsInvalid

Status = Literal["opening", "open", "frozen", "closed"]
"""`opening` accounts are not shown to anybody: the ledger has not confirmed them yet."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account. Limits are in minor units of `currency`; an overdraft limit of None is unlimited.

    `change` is what the ledger is being asked to change as `revision`, None most of the time.
    """

    id: UUID
    name: str
    account_type: AccountType
    currency: str
    status: Status
    overdraft_limit_minor: int | None
    daily_limit_minor: int | None
    metadata: dict[str, str]
    revision: int
    change: Change | None
    created_by: str
    created_at: datetime
    updated_at: datetime


def overdraft_of(account_type: AccountType, asked_minor: int) -> int | None:
    """Return the overdraft limit that an account of the type has. Raises `LimitsInvalid` when it may have none."""
    if asked_minor and account_type != "customer":
        raise LimitsInvalid(
            f"a {account_type} account takes no overdraft_limit_minor: a settlement account may go below zero "
            "without limit, merchant and fee accounts never may"
        )
    return None if account_type == "settlement" else asked_minor


def raises_limits(account: Account, *, overdraft_limit_minor: int | None, daily_limit_minor: int | None) -> bool:
    """Return whether the account could lose more with these limits than with its own; None is without a limit."""
    overdraft, daily = account.overdraft_limit_minor, account.daily_limit_minor
    deeper = overdraft is not None and (overdraft_limit_minor is None or overdraft_limit_minor > overdraft)
    faster = daily is not None and (daily_limit_minor is None or daily_limit_minor > daily)
    return deeper or faster
