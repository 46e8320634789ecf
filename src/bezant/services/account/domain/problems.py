"""Errors of the account service."""

from typing import Final

from bezant.contracts.problems import Conflict, Problem, Unprocessable


class LimitsInvalid(Unprocessable):
    """This type of account has no limit of this kind, or the limit is out of range."""

    code = "limits_invalid"
    title = "The limits are not valid"


class AccountClosed(Conflict):
    """The account is closed, and that is final."""

    code = "account_closed"
    title = "The account is closed"


class AccountChangedSince(Conflict):
    """The account is not any more what it was when its change was asked for."""

    code = "account_changed_since"
    title = "The account has changed since"


class AccountHasHolds(Conflict):
    """An account with open holds cannot be closed."""

    code = "account_has_holds"
    title = "The account has open holds"


class AccountHasBalance(Conflict):
    """An account with a balance cannot be closed."""

    code = "account_has_balance"
    title = "The account has a balance"


class OverdraftLimitInUse(Conflict):
    """The account is further below zero than the new limit allows."""

    code = "overdraft_limit_in_use"
    title = "The overdraft limit is in use"


class AccountChanging(Conflict):
    """Too many changes of the account at once; try again."""

    code = "account_changing"
    title = "The account is being changed"


class LedgerRefused(Problem):
    """The ledger refused what the account service had let pass: a defect."""

    code = "account_refused_by_ledger"
    title = "The ledger refused the account"


_OF_REASON: Final[dict[str, type[Problem]]] = {
    kind.code: kind for kind in (LimitsInvalid, AccountClosed, AccountHasHolds, AccountHasBalance, OverdraftLimitInUse)
}


def problem_of(reason_code: str | None, detail: str | None) -> Problem:
    """Return the problem for a command that the ledger refused."""
    kind = _OF_REASON.get(reason_code or "", LedgerRefused)
    return kind(f"{detail}" if kind is not LedgerRefused else f"{reason_code}: {detail}")
