"""Why the ledger refuses: one catalogue, ordered by precedence."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """A refusal's stable code. When several apply, the one that stands first here is given."""

    TRANSFER_ID_REUSED = "transfer_id_reused"
    """The id belongs to a transfer with other content."""
    LINKED_TRANSFER_REFUSED = "linked_transfer_refused"
    """Another command of the same atomic batch was refused."""
    AMOUNT_INVALID = "amount_invalid"
    """An amount is not within 1..2^53-1."""
    LEGS_INVALID = "legs_invalid"
    """Fewer than two legs, more than 64, or debits and credits differ."""
    SAME_ACCOUNT = "same_account"
    """An account occurs in more than one leg."""
    EXPIRES_AT_INVALID = "expires_at_invalid"
    """An expiry without a hold, or one that is not in the future."""
    HOLD_NOT_FOUND = "hold_not_found"
    """The hold that should be posted or voided does not exist."""
    TRANSFER_NOT_FOUND = "transfer_not_found"
    """The transfer that should be reversed does not exist."""
    TRANSFER_OF_PAYMENT = "transfer_of_payment"
    """A payment's transfer may be changed by the payment service alone."""
    TRANSFER_NOT_PENDING = "transfer_not_pending"
    """The transfer that should be posted or voided is not a hold."""
    TRANSFER_NOT_REVERSIBLE = "transfer_not_reversible"
    """Only transfers that posted something can be reversed, and reversals cannot."""
    HOLD_ALREADY_POSTED = "hold_already_posted"
    HOLD_ALREADY_VOIDED = "hold_already_voided"
    HOLD_EXPIRED = "hold_expired"
    """The hold's time is over, whether or not its expiry has been written yet."""
    HOLD_NOT_DUE = "hold_not_due"
    """The hold's time is not over yet, so that it cannot be expired."""
    TRANSFER_ALREADY_REVERSED = "transfer_already_reversed"
    AMOUNT_EXCEEDS_HOLD = "amount_exceeds_hold"
    """More would be posted than the hold holds, in all or from one account."""
    LEGS_REQUIRED = "legs_required"
    """Part of a hold of more than two legs was posted without saying which legs."""
    ACCOUNT_NOT_FOUND = "account_not_found"
    CURRENCY_MISMATCH = "currency_mismatch"
    """An account is in another currency than the transfer."""
    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_FROZEN = "account_frozen"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    """An account would go below its overdraft limit."""
    DAILY_LIMIT_EXCEEDED = "daily_limit_exceeded"
    """An account would pay out more today (UTC) than its daily limit."""
    REFUSED_BY_DATABASE = "refused_by_database"
    """A check of the database's own refused what these rules had let pass: a defect, and nothing was written."""

    # Commands on accounts.
    ACCOUNT_ID_REUSED = "account_id_reused"
    """The id belongs to an account of another type or currency."""
    REVISION_OUTDATED = "revision_outdated"
    """A later command on the account has been carried out."""
    LIMITS_INVALID = "limits_invalid"
    """A limit is negative or too large, or this type of account has none of the kind."""
    ACCOUNT_HAS_HOLDS = "account_has_holds"
    ACCOUNT_HAS_BALANCE = "account_has_balance"
    OVERDRAFT_LIMIT_IN_USE = "overdraft_limit_in_use"
    """The account is further below zero than the new limit allows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that has no effect: the code for programs, the detail for people."""

    reason: Reason
    detail: str
