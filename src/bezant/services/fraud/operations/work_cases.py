"""Work on cases before they are decided: take one from the queue, hand it over, write notes."""

from uuid import UUID

from bezant.contracts.events import Event
from bezant.contracts.fraud_events import CaseChange
from bezant.contracts.identifiers import new_id
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.cases import Case, CaseNote, CaseStatus
from bezant.services.fraud.domain.problems import CaseAlreadyDecided, CaseNotFound, NoCaseToClaim
from bezant.services.fraud.events.publishes import case_changed
from bezant.services.fraud.operations.read_cases import case_in
from bezant.services.fraud.storage import QUERIES


async def claim_case(databases: TenantDatabases, tenant_id: UUID, *, actor: str) -> Case:
    """Give the caller the gravest open case that nobody has; two callers never get the same one.

    A case that waits for a second person is not given to the first. Raises `NoCaseToClaim`.
    """

    async def work(tx: TenantTransaction) -> Case:
        row = await tx.fetch_one(QUERIES["claim_case"], {"assignee": actor})
        if row is None:
            raise NoCaseToClaim("No open case waits that you could take.")
        case = await case_in(tx, row[0])
        tx.emit(_changed(CaseChange.ASSIGNED, case, actor, assignee=actor))
        return case

    return await databases.run(tenant_id, work, attempts=1)


async def assign_case(
    databases: TenantDatabases, tenant_id: UUID, case_id: UUID, assignee: str | None, *, actor: str
) -> Case:
    """Give an open case to somebody, or back to the queue. Raises `CaseNotFound`, `CaseAlreadyDecided`."""

    async def work(tx: TenantTransaction) -> Case:
        row = await tx.fetch_one(QUERIES["lock_case"], {"case_id": case_id})
        if row is None:
            raise CaseNotFound(f"There is no fraud case {case_id}.")
        if row[0] != CaseStatus.OPEN:
            raise CaseAlreadyDecided(f"The case is {row[0]}; nobody needs to work on it.", case_status=row[0])
        if row[1] != assignee:
            await tx.execute(QUERIES["assign_case"], {"case_id": case_id, "assignee": assignee})
        case = await case_in(tx, case_id)
        if row[1] != assignee:
            tx.emit(_changed(CaseChange.ASSIGNED, case, actor, assignee=assignee))
        return case

    return await databases.run(tenant_id, work)


async def add_note(databases: TenantDatabases, tenant_id: UUID, case_id: UUID, note: str, *, actor: str) -> CaseNote:
    """Write something about a case, decided or not; notes never change. Raises `CaseNotFound`."""

    async def work(tx: TenantTransaction) -> CaseNote:
        case = await case_in(tx, case_id)
        row = await tx.fetch_one(
            QUERIES["insert_case_note"], {"note_id": new_id(), "case_id": case_id, "author": actor, "note": note}
        )
        if row is None:
            raise LookupError(f"the note about case {case_id} was not stored")
        tx.emit(_changed(CaseChange.NOTED, case, actor, note=note))
        return CaseNote(*row)

    return await databases.run(tenant_id, work, attempts=1)


async def list_notes(
    databases: TenantDatabases, tenant_id: UUID, case_id: UUID, *, after: UUID | None, limit: int
) -> list[CaseNote]:
    """Return what was written about a case, oldest first. Raises `CaseNotFound`."""
    async with databases.transaction(tenant_id) as tx:
        await case_in(tx, case_id)
        rows = await tx.fetch_all(QUERIES["list_case_notes"], {"case_id": case_id, "after": after, "limit": limit})
    return [CaseNote(*row) for row in rows]


def _changed(change: CaseChange, case: Case, actor: str, **facts: str | None) -> Event:
    return case_changed(change, case_id=case.id, payment_id=case.payment_id, actor=actor, **facts)
