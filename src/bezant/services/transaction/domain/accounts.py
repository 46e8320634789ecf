"""The ledger's account: its policy and its running sums, on one row so that they can be checked together."""

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from bezant.contracts.internal.ledger import (
    AccountStatus,
    AccountType,
    Direction,
    OpenAccount,
    SetAccountLimits,
    SetAccountStatus,
)
from bezant.contracts.money import MAX_AMOUNT_MINOR
from bezant.services.transaction.domain.reasons import Reason, Refusal

UNLIMITED: Final = None
"""An overdraft limit that never refuses."""

NORMAL_SIDE: Final[dict[AccountType, Direction]] = {
    "customer": "credit",
    "merchant": "credit",
    "settlement": "credit",
    "fee": "credit",
}
"""The side on which an account of the type grows: all of them are what the tenant owes to somebody."""

Snapshot = tuple[int, int, int, int, int, date | None, int]


@dataclass(slots=True)
class LedgerAccount:
    """Policy and sums of one account; amounts in minor units of `currency`.

    `overdraft_limit_minor` None is unlimited. `limit_day` is the latest UTC day on which something counted
    against the daily limit, `limit_day_out_minor` how much did. `version` counts the account's entries.
    `policy_revision` is the number of the latest command on status or limits, `policy_refusal` why that one
    was refused, if it was.
    """

    id: UUID
    account_type: AccountType
    currency: str
    normal_side: Direction
    status: AccountStatus = "open"
    overdraft_limit_minor: int | None = 0
    daily_limit_minor: int | None = None
    posted_debits: int = 0
    posted_credits: int = 0
    pending_debits: int = 0
    pending_credits: int = 0
    version: int = 0
    limit_day: date | None = None
    limit_day_out_minor: int = 0
    policy_revision: int = 0
    policy_refusal: str | None = None

    @property
    def posted_minor(self) -> int:
        """The posted balance, positive on the normal side."""
        balance = self.posted_credits - self.posted_debits
        return balance if self.normal_side == "credit" else -balance

    @property
    def pending_outgoing_minor(self) -> int:
        """What open holds will take out."""
        return self.pending_debits if self.normal_side == "credit" else self.pending_credits

    @property
    def pending_incoming_minor(self) -> int:
        """What open holds will bring in; it cannot be spent before it is posted."""
        return self.pending_credits if self.normal_side == "credit" else self.pending_debits

    @property
    def available_minor(self) -> int:
        """The posted balance less outgoing holds, without the overdraft."""
        return self.posted_minor - self.pending_outgoing_minor

    @property
    def within_overdraft_limit(self) -> bool:
        """Whether the account keeps to its overdraft limit; a CHECK constraint of its row repeats this."""
        limit = self.overdraft_limit_minor
        return limit is None or self.available_minor >= -limit

    def out_on(self, day: date) -> int:
        """Return what counts against the daily limit of `day`, if that is the latest day known."""
        return self.limit_day_out_minor if self.limit_day == day else 0

    def snapshot(self) -> Snapshot:
        """Return everything a posting changes, for `restore`."""
        return (
            self.posted_debits,
            self.posted_credits,
            self.pending_debits,
            self.pending_credits,
            self.version,
            self.limit_day,
            self.limit_day_out_minor,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Take back every posting since `snapshot`."""
        (
            self.posted_debits,
            self.posted_credits,
            self.pending_debits,
            self.pending_credits,
            self.version,
            self.limit_day,
            self.limit_day_out_minor,
        ) = snapshot

    def count_out(self, day: date, amount_minor: int) -> None:
        """Count an outflow (or, negative, one given back) against `day`; days before the latest are past."""
        if self.limit_day is None or day > self.limit_day:
            self.limit_day, self.limit_day_out_minor = day, 0
        if day == self.limit_day:
            self.limit_day_out_minor += amount_minor


def open_account(command: OpenAccount) -> LedgerAccount | Refusal:
    """Return the account that the command opens, its policy given by its type."""
    overdraft: int | None = command.overdraft_limit_minor
    if command.account_type == "settlement":
        overdraft = UNLIMITED
    refusal = _check_limits(command.account_type, command.overdraft_limit_minor, command.daily_limit_minor)
    if refusal is not None:
        return refusal
    return LedgerAccount(
        id=command.account_id,
        account_type=command.account_type,
        currency=command.currency,
        normal_side=NORMAL_SIDE[command.account_type],
        overdraft_limit_minor=overdraft,
        daily_limit_minor=command.daily_limit_minor,
    )


def change_policy(account: LedgerAccount, command: SetAccountStatus | SetAccountLimits) -> bool | Refusal:
    """Carry out the command and return whether it changed anything; remember it as the account's latest.

    The latest command again gets its own answer again, an earlier one is refused.
    """
    if command.revision < account.policy_revision:
        return Refusal(
            Reason.REVISION_OUTDATED,
            f"Account {account.id} has been changed since: revision {account.policy_revision}, not {command.revision}.",
        )
    if command.revision == account.policy_revision:
        if account.policy_refusal is None:
            return False
        return Refusal(Reason(account.policy_refusal), f"This was refused before for account {account.id}.")
    outcome = _set_status(account, command) if isinstance(command, SetAccountStatus) else _set_limits(account, command)
    account.policy_revision = command.revision
    account.policy_refusal = outcome.reason.value if isinstance(outcome, Refusal) else None
    return outcome


def _set_status(account: LedgerAccount, command: SetAccountStatus) -> bool | Refusal:
    if account.status == command.status:
        return False
    if account.status == "closed":
        return Refusal(Reason.ACCOUNT_CLOSED, f"Account {account.id} is closed; that is final.")
    if command.status == "closed":
        if account.pending_debits or account.pending_credits:
            return Refusal(
                Reason.ACCOUNT_HAS_HOLDS,
                f"Account {account.id} has open holds; capture or void them, or wait for their expiry.",
            )
        if account.posted_minor:
            return Refusal(
                Reason.ACCOUNT_HAS_BALANCE,
                f"Account {account.id} has a balance of {account.posted_minor}; move it away first.",
            )
    account.status = command.status
    return True


def _set_limits(account: LedgerAccount, command: SetAccountLimits) -> bool | Refusal:
    if account.status == "closed":
        return Refusal(Reason.ACCOUNT_CLOSED, f"Account {account.id} is closed; its limits are final.")
    overdraft, daily = account.overdraft_limit_minor, account.daily_limit_minor
    asked_overdraft = 0
    if isinstance(command.overdraft_limit_minor, int):
        asked_overdraft = command.overdraft_limit_minor
        if account.account_type != "settlement":
            overdraft = asked_overdraft
    if command.daily_limit_minor is None or isinstance(command.daily_limit_minor, int):
        daily = command.daily_limit_minor
    refusal = _check_limits(account.account_type, asked_overdraft, daily)
    if refusal is not None:
        return refusal
    if overdraft is not None and account.available_minor < -overdraft:
        return Refusal(
            Reason.OVERDRAFT_LIMIT_IN_USE,
            f"Account {account.id} is at {account.available_minor} including its holds, below -{overdraft}.",
        )
    changed = (overdraft, daily) != (account.overdraft_limit_minor, account.daily_limit_minor)
    account.overdraft_limit_minor, account.daily_limit_minor = overdraft, daily
    return changed


def _check_limits(account_type: AccountType, overdraft: int, daily: int | None) -> Refusal | None:
    if not 0 <= overdraft <= MAX_AMOUNT_MINOR or (daily is not None and not 0 <= daily <= MAX_AMOUNT_MINOR):
        return Refusal(Reason.LIMITS_INVALID, f"A limit must be between 0 and {MAX_AMOUNT_MINOR}.")
    if overdraft and account_type != "customer":
        return Refusal(
            Reason.LIMITS_INVALID,
            f"A {account_type} account takes no overdraft limit: a settlement account may go below zero "
            "without limit, merchant and fee accounts never may.",
        )
    return None
