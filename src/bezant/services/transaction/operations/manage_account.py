"""Open a ledger account, change its status, change its limits: each enforced once it is answered."""

from uuid import UUID

from bezant.contracts.internal.ledger import CommandResult, OpenAccount, SetAccountLimits, SetAccountStatus
from bezant.foundation.failpoints import failpoint
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.domain.accounts import LedgerAccount, change_policy, open_account
from bezant.services.transaction.domain.reasons import Reason, Refusal
from bezant.services.transaction.storage import QUERIES
from bezant.services.transaction.storage.reading import lock_accounts

AccountCommand = OpenAccount | SetAccountStatus | SetAccountLimits


async def manage_account(databases: TenantDatabases, tenant_id: UUID, command: AccountCommand) -> CommandResult:
    """Carry out one command on an account in a transaction of its own, and say what became of it.

    All of them may be sent again. Raises `TenantUnavailable` when the database does not answer.
    """

    async def work(tx: TenantTransaction) -> bool | Refusal:
        if isinstance(command, OpenAccount):
            return await _open(tx, command)
        account = (await lock_accounts(tx, {command.account_id})).get(command.account_id)
        if account is None:
            return Refusal(Reason.ACCOUNT_NOT_FOUND, f"There is no account {command.account_id}.")
        revision_before = account.policy_revision
        changed = change_policy(account, command)
        if account.policy_revision != revision_before:
            await _update(tx, account)
        return changed

    outcome = await databases.run(tenant_id, work)
    failpoint("ledger.after_account_command")
    if isinstance(outcome, Refusal):
        return CommandResult(
            status="refused", id=command.account_id, reason_code=outcome.reason.value, detail=outcome.detail
        )
    return CommandResult(status="created" if outcome else "exists", id=command.account_id)


async def _open(tx: TenantTransaction, command: OpenAccount) -> bool | Refusal:
    account = open_account(command)
    if isinstance(account, Refusal):
        return account
    inserted = await tx.execute(
        QUERIES["insert_account"],
        {
            "id": account.id,
            "account_type": account.account_type,
            "currency": account.currency,
            "normal_side": account.normal_side,
            "overdraft_limit_minor": account.overdraft_limit_minor,
            "daily_limit_minor": account.daily_limit_minor,
        },
    )
    if inserted:
        return True
    existing = (await lock_accounts(tx, {account.id}))[account.id]
    if (existing.account_type, existing.currency) != (account.account_type, account.currency):
        return Refusal(
            Reason.ACCOUNT_ID_REUSED,
            f"Account {account.id} exists as a {existing.account_type} account in {existing.currency}.",
        )
    return False


async def _update(tx: TenantTransaction, account: LedgerAccount) -> None:
    await tx.execute(
        QUERIES["update_account"],
        {
            "id": account.id,
            "status": account.status,
            "overdraft_limit_minor": account.overdraft_limit_minor,
            "daily_limit_minor": account.daily_limit_minor,
            "policy_revision": account.policy_revision,
            "policy_refusal": account.policy_refusal,
        },
    )
