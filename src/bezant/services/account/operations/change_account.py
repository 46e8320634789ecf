"""Freeze, unfreeze, close, set limits: noted here, carried out by the ledger, shown and announced here.

Changes of one account go one after another, each with a revision of its own. A change that somebody began and
did not finish (a crash, a call without an answer) is finished first by whoever comes next, or by due work. The
ledger refuses a revision that is older than its latest, so that a call that was delayed cannot undo anything.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from bezant.contracts.account_events import (
    ACCOUNT_CLOSED,
    ACCOUNT_FROZEN,
    ACCOUNT_LIMITS_CHANGED,
    ACCOUNT_UNFROZEN,
)
from bezant.contracts.problems import NotFound, Problem
from bezant.foundation.due_work import DueWork
from bezant.foundation.failpoints import failpoint
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.account.domain.account import Account
from bezant.services.account.domain.changes import (
    Change,
    LimitsChange,
    StatusChange,
    change_to_json,
    ledger_command,
)
from bezant.services.account.domain.problems import AccountChanging, AccountClosed, problem_of
from bezant.services.account.events.publishes import account_event
from bezant.services.account.ledger import Ledger
from bezant.services.account.operations.open_account import UNFINISHED
from bezant.services.account.storage import QUERIES, account_from_row

_ROUNDS: Final = 8
_STATUS_EVENTS: Final = {"frozen": ACCOUNT_FROZEN, "open": ACCOUNT_UNFROZEN, "closed": ACCOUNT_CLOSED}


class ChangeAccounts:
    """Changes accounts' status and limits."""

    def __init__(self, databases: TenantDatabases, ledger: Ledger, due_work: DueWork) -> None:
        self._databases = databases
        self._ledger = ledger
        self._due_work = due_work

    async def change(self, tenant_id: UUID, account_id: UUID, wanted: Callable[[Account], Change]) -> Account:
        """Return the account once the ledger enforces the change that `wanted` asks of it.

        Raises `NotFound`, `AccountClosed`, the ledger's refusal (`AccountHasHolds`, `AccountHasBalance`,
        `OverdraftLimitInUse`, `LimitsInvalid`), and `InternalCallFailed` or `TenantUnavailable` when it is not
        known whether the change has been made; it is finished later in any case.
        """
        await self._due_work.guard(tenant_id, UNFINISHED)
        for _ in range(_ROUNDS):

            async def begin(tx: TenantTransaction) -> tuple[Account, bool]:
                return await _begin(tx, account_id, wanted)

            account, ours = await self._databases.run(tenant_id, begin)
            failpoint("account.change.after_begin")
            if account.change is None:
                return account
            try:
                finished = await self._finish(tenant_id, account)
            except Problem as problem:
                # Somebody else's change that the ledger refuses is not ours to report.
                if ours or problem.status >= 500:
                    raise
                continue
            if ours:
                return finished
        raise AccountChanging(f"account {account_id} is being changed by others; try again", retry_after_seconds=1)

    async def finish(self, tenant_id: UUID, account_id: UUID) -> None:
        """Finish a change that somebody began. A refusal of the ledger is an end as well."""

        async def read(tx: TenantTransaction) -> Account | None:
            row = await tx.fetch_one(QUERIES["account"], {"id": account_id})
            return None if row is None else account_from_row(row)

        account = await self._databases.run(tenant_id, read)
        if account is None or account.change is None:
            return
        try:
            await self._finish(tenant_id, account)
        except Problem as problem:
            if problem.status >= 500:
                raise

    async def _finish(self, tenant_id: UUID, account: Account) -> Account:
        assert account.change is not None
        change = account.change
        result = await self._ledger.command(tenant_id, ledger_command(account.id, account.revision, change))
        failpoint("account.change.after_ledger")
        if result.status == "refused" and result.reason_code != "revision_outdated":
            problem = problem_of(result.reason_code, result.detail)

            async def abandon(tx: TenantTransaction) -> None:
                await tx.execute(QUERIES["abandon_change"], {"id": account.id, "revision": account.revision})

            if problem.status < 500:
                await self._databases.run(tenant_id, abandon)
            raise problem

        async def show(tx: TenantTransaction) -> Account:
            return await _show(tx, account, change)

        shown = await self._databases.run(tenant_id, show)
        failpoint("account.change.after_show")
        return shown


async def _begin(tx: TenantTransaction, account_id: UUID, wanted: Callable[[Account], Change]) -> tuple[Account, bool]:
    """Return the account with the change to be carried out, and whether that is the one wanted now."""
    row = await tx.fetch_one(QUERIES["lock_account"], {"id": account_id})
    account = None if row is None else account_from_row(row)
    if account is None or account.status == "opening":
        raise NotFound(f"there is no account {account_id}")
    if account.change is not None:
        return account, False
    change = wanted(account)
    if _is_so(account, change):
        return account, True
    if account.status == "closed":
        raise AccountClosed(f"account {account_id} is closed, and that is final")
    revision = account.revision + 1
    await tx.execute(
        QUERIES["begin_change"], {"id": account_id, "revision": revision, "change": change_to_json(change)}
    )
    begun = await tx.fetch_one(QUERIES["account"], {"id": account_id})
    assert begun is not None
    return account_from_row(begun), True


def _is_so(account: Account, change: Change) -> bool:
    if isinstance(change, StatusChange):
        return account.status == change.status
    return (account.overdraft_limit_minor, account.daily_limit_minor) == (
        change.overdraft_limit_minor,
        change.daily_limit_minor,
    )


async def _show(tx: TenantTransaction, account: Account, change: Change) -> Account:
    limits = change if isinstance(change, LimitsChange) else account
    row = await tx.fetch_one(
        QUERIES["finish_change"],
        {
            "id": account.id,
            "revision": account.revision,
            "status": change.status if isinstance(change, StatusChange) else account.status,
            "overdraft_limit_minor": limits.overdraft_limit_minor,
            "daily_limit_minor": limits.daily_limit_minor,
        },
    )
    if row is None:
        # Somebody else has finished it, and announced it.
        row = await tx.fetch_one(QUERIES["account"], {"id": account.id})
        assert row is not None
        return account_from_row(row)
    changed = account_from_row(row)
    kind = _STATUS_EVENTS[change.status] if isinstance(change, StatusChange) else ACCOUNT_LIMITS_CHANGED
    tx.emit(account_event(kind, changed, actor=change.actor))
    return changed
