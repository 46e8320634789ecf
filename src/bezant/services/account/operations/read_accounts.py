"""Read accounts: one, or a page of them. Change what they are called."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from bezant.contracts.account_events import ACCOUNT_DESCRIBED
from bezant.contracts.problems import NotFound
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.account.domain.account import Account
from bezant.services.account.events.publishes import account_event
from bezant.services.account.storage import QUERIES, account_from_row

_AFTER_ALL: Final = UUID(int=2**128 - 1)


async def read_account(databases: TenantDatabases, tenant_id: UUID, account_id: UUID) -> Account:
    """Return the account. Raises `NotFound`."""

    async def work(tx: TenantTransaction) -> Account | None:
        row = await tx.fetch_one(QUERIES["account"], {"id": account_id})
        return None if row is None else account_from_row(row)

    account = await databases.run(tenant_id, work)
    if account is None or account.status == "opening":
        raise NotFound(f"there is no account {account_id}")
    return account


async def list_accounts(
    databases: TenantDatabases,
    tenant_id: UUID,
    *,
    before: UUID | None,
    limit: int,
    filters: Mapping[str, str | None],
) -> tuple[list[Account], bool]:
    """Return up to `limit` accounts before an id, latest first, and whether there are more.

    `filters` holds `account_type`, `status` and `currency`, None for any.
    """

    async def work(tx: TenantTransaction) -> list[Account]:
        rows = await tx.fetch_all(
            QUERIES["accounts_page"], {"before": before or _AFTER_ALL, "limit": limit + 1, **filters}
        )
        return [account_from_row(row) for row in rows]

    accounts = await databases.run(tenant_id, work)
    return accounts[:limit], len(accounts) > limit


async def describe_account(
    databases: TenantDatabases,
    tenant_id: UUID,
    account_id: UUID,
    *,
    name: str | None,
    metadata: dict[str, str] | None,
    actor: str,
) -> Account:
    """Set an account's name or metadata, None leaves it as it is. Raises `NotFound`."""

    async def work(tx: TenantTransaction) -> Account | None:
        row = await tx.fetch_one(
            QUERIES["describe_account"],
            {
                "id": account_id,
                "name": name,
                "metadata": None if metadata is None else msgspec.json.encode(metadata).decode(),
            },
        )
        if row is None:
            return None
        described = account_from_row(row)
        tx.emit(account_event(ACCOUNT_DESCRIBED, described, actor=actor))
        return described

    account = await databases.run(tenant_id, work)
    if account is None:
        raise NotFound(f"there is no account {account_id}")
    return account
