"""Approve, reject or withdraw what somebody asked for."""

from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from bezant.contracts.tenant_events import ApprovalDecided
from bezant.foundation.approvals import APPROVALS, Approval, ApprovalStatus
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.identity.api_keys import Caller
from bezant.services.tenant.domain.problems import ApprovalDecidedAlready, ApprovalNotFound, FourEyesNeeded
from bezant.services.tenant.sagas.steps import QUERIES, emit
from bezant.services.tenant.storage.acts import record_act

_EVENTS: Final = {
    ApprovalStatus.APPROVED: "tenant.approval_approved",
    ApprovalStatus.REJECTED: "tenant.approval_rejected",
    ApprovalStatus.WITHDRAWN: "tenant.approval_withdrawn",
}


async def decide_approval(
    control: ControlDatabase, caller: Caller, approval_id: UUID, status: ApprovalStatus, *, note: str
) -> Approval:
    """Return the approval as decided; deciding the same again changes nothing.

    What is approved is done by its owner within seconds. Raises `ApprovalNotFound`, `ApprovalDecidedAlready`,
    `FourEyesNeeded`, and `Forbidden` for an approver who could not do it alone.
    """
    async with control.transaction() as connection:
        parameters = {"id": approval_id, "tenant_id": caller.tenant}
        row = await (await connection.execute(QUERIES["lock_approval"], parameters)).fetchone()
        if row is None:
            raise ApprovalNotFound(f"there is no approval {approval_id}")
        approval = Approval.of(row)
        if approval.status is status and approval.decided_by == caller.actor:
            return approval
        if approval.status is not ApprovalStatus.PENDING:
            raise ApprovalDecidedAlready(f"the approval is {approval.status}; only a pending one can be decided")
        await _require_right(connection, caller, approval, status)
        decision = {"id": approval_id, "status": status, "decided_by": caller.actor, "note": note}
        await connection.execute(QUERIES["decide_approval"], decision)
        if status is ApprovalStatus.APPROVED:
            hint = {"tenant_id": approval.tenant_id, "service": approval.service, "kind": APPROVALS}
            await connection.execute(QUERIES["hint_approval"], hint)
        await record_act(
            connection, _EVENTS[status], actor=caller.actor, subject=str(approval_id), tenant_id=approval.tenant_id,
            action=approval.action, requested_by=approval.requested_by,
        )  # fmt: skip
        data = ApprovalDecided(
            approval_id=approval_id,
            action=approval.action,
            subject=approval.subject,
            request=approval.request,
            requested_by=approval.requested_by,
            requested_at=approval.requested_at,
            note=note,
        )
        await emit(connection, approval.tenant_id, _EVENTS[status], data, actor=caller.actor)
        row = await (await connection.execute(QUERIES["lock_approval"], parameters)).fetchone()
    assert row is not None
    return Approval.of(row)


async def _require_right(
    connection: AsyncConnection[Any], caller: Caller, approval: Approval, status: ApprovalStatus
) -> None:
    approver, above_approver = await _origins(connection, caller.actor)
    asker, above_asker = await _origins(connection, approval.requested_by)
    if status is ApprovalStatus.WITHDRAWN:
        if not approver & asker:
            raise FourEyesNeeded("only whoever asked can withdraw; reject it instead")
        return
    caller.require(approval.scope)
    # Whoever makes keys has as many hands as they like, and still one pair of eyes.
    if approver & above_asker or asker & above_approver:
        raise FourEyesNeeded("you asked for this, or one of the two keys made the other: another person decides")
    row = await (await connection.execute(QUERIES["get_tenant"], {"id": approval.tenant_id})).fetchone()
    people_only = row is not None and row[6].get("four_eyes", {}).get("people_only", False)
    if people_only and caller.person is None:
        raise FourEyesNeeded("this tenant wants a person to decide: sign in, and decide with the session")


async def _origins(connection: AsyncConnection[Any], actor: str) -> tuple[set[str], set[str]]:
    row = await (await connection.execute(QUERIES["origins"], {"actor": actor})).fetchone()
    assert row is not None
    return set(row[0]), set(row[1])


async def list_approvals(
    control: ControlDatabase, tenant_id: UUID, *, status: ApprovalStatus | None, before: UUID | None, limit: int
) -> list[Approval]:
    """Return a tenant's approvals, latest first."""
    parameters = {"tenant_id": tenant_id, "status": status, "before": before, "limit": limit}
    return [Approval.of(row) for row in await control.fetch_all(QUERIES["list_approvals"], parameters)]


async def read_approval(control: ControlDatabase, tenant_id: UUID, approval_id: UUID) -> Approval:
    """Return one approval. Raises `ApprovalNotFound`."""
    row = await control.fetch_one(QUERIES["read_approval"], {"id": approval_id, "tenant_id": tenant_id})
    if row is None:
        raise ApprovalNotFound(f"there is no approval {approval_id}")
    return Approval.of(row)
