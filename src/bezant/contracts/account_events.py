"""Data of the events on `account.events`; the subject is the account's id."""

from typing import Final, Literal
from uuid import UUID

import msgspec

from bezant.contracts.internal.ledger import AccountType

ACCOUNT_OPENED: Final = "account.opened"
ACCOUNT_FROZEN: Final = "account.frozen"
ACCOUNT_UNFROZEN: Final = "account.unfrozen"
ACCOUNT_CLOSED: Final = "account.closed"
ACCOUNT_LIMITS_CHANGED: Final = "account.limits_changed"
ACCOUNT_DESCRIBED: Final = "account.described"


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it is after the event. Limits in minor units; an overdraft limit of None is unlimited.

    `name` and `metadata` may be personal data. `revision` counts changes of status and limits.
    """

    account_id: UUID
    name: str
    account_type: AccountType
    currency: str
    status: Literal["open", "frozen", "closed"]
    overdraft_limit_minor: int | None
    daily_limit_minor: int | None
    metadata: dict[str, str]
    revision: int
