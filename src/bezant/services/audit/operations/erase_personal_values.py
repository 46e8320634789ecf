"""Erase the personal values of some subjects, as a person may demand; the log says that it was done."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.contracts.identifiers import new_id
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.operations.append_entries import append_in
from bezant.services.audit.storage import QUERIES
from bezant.services.audit.storage.hashes import split_hashes

ERASED_EVENT_TYPE = "audit.personal_values_erased"


async def erase_personal_values(
    databases: TenantDatabases, tenant_id: UUID, subjects: Sequence[str], *, actor: str
) -> int:
    """Erase values and salts, append an entry that names the subjects, and return how many values went."""

    async def work(tx: TenantTransaction) -> int:
        row = await tx.fetch_one(QUERIES["lock_tree"])
        if row is None:
            raise LookupError(f"the audit log of tenant {tenant_id} has no tree state")
        erased = len(await tx.fetch_all(QUERIES["erase_personal_values"], {"subjects": list(subjects)}))
        event = ReceivedEvent(
            id=new_id(),
            type=ERASED_EVENT_TYPE,
            topic="audit",
            subject=str(tenant_id),
            tenant_id=tenant_id,
            time=datetime.now(UTC),
            actor=actor,
            data={"subjects": list(subjects), "erased_count": erased},
            traceparent=None,
            raw=b"",
        )
        await append_in(tx, row[0], split_hashes(row[1]), [event])
        return erased

    return await databases.run(tenant_id, work)
