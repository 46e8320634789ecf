"""Erase the personal values of some subjects, as a person may demand; the log says that it was done."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.operations.append_entries import append_own_entry
from bezant.services.audit.storage import QUERIES

ERASED_EVENT_TYPE = "audit.personal_values_erased"


async def erase_personal_values(
    databases: TenantDatabases,
    tenant_id: UUID,
    subjects: Sequence[str],
    account_ids: Sequence[UUID] = (),
    *,
    actor: str,
) -> int:
    """Erase values and salts, append an entry that names whose they were, and return how many values went.

    `account_ids` reach every entry that names one of the accounts, whatever its subject: a person's payments too.
    """

    async def work(tx: TenantTransaction) -> int:
        async def erase() -> dict[str, Any]:
            erased = len(await tx.fetch_all(QUERIES["erase_personal_values"], {"subjects": list(subjects)}))
            accounts = [str(account_id) for account_id in account_ids]
            if accounts:
                erased += len(await tx.fetch_all(QUERIES["erase_values_naming_accounts"], {"account_ids": accounts}))
            return {"subjects": list(subjects), "account_ids": accounts, "erased_count": erased}

        done = await append_own_entry(tx, ERASED_EVENT_TYPE, actor=actor, data=erase)
        return int(done["erased_count"])

    return await databases.run(tenant_id, work)
