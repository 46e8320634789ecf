"""Settle a fraud case: a person approves or declines the held payment."""

from uuid import UUID

from bezant.contracts.fraud_events import CaseDecision
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.cases import Case, CaseStatus
from bezant.services.fraud.domain.problems import CaseAlreadyDecided
from bezant.services.fraud.events.publishes import case_decided
from bezant.services.fraud.operations.read_cases import case_in
from bezant.services.fraud.storage import QUERIES

_STATUS = {CaseDecision.APPROVE: CaseStatus.APPROVED, CaseDecision.DECLINE: CaseStatus.DECLINED}


async def decide_case(
    databases: TenantDatabases, tenant_id: UUID, case_id: UUID, *, decision: CaseDecision, note: str, actor: str
) -> Case:
    """Decide the case and announce it in the same transaction.

    Raises `CaseNotFound`, and `CaseAlreadyDecided` naming the decision that stands.
    """

    async def work(tx: TenantTransaction) -> Case:
        row = await tx.fetch_one(
            QUERIES["decide_case"],
            {"case_id": case_id, "status": _STATUS[decision], "note": note, "decided_by": actor},
        )
        case = await case_in(tx, case_id)
        if row is None:
            raise CaseAlreadyDecided(
                f"The case was {case.status} by {case.decided_by} at {case.decided_at}; that decision stands.",
                case_status=case.status.value,
            )
        payment_id, decided_at = row
        tx.emit(
            case_decided(
                case_id=case_id,
                payment_id=payment_id,
                decision=decision,
                note=note,
                actor=actor,
                decided_at=decided_at,
            )
        )
        return case

    return await databases.run(tenant_id, work, attempts=1)
