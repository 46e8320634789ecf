"""Settle a fraud case: a person approves or declines the held payment, or two people do where the tenant asks."""

from datetime import datetime
from uuid import UUID

from bezant.contracts.fraud_events import CaseChange, CaseDecision
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.cases import Case, CaseStatus
from bezant.services.fraud.domain.problems import CaseAlreadyDecided, CaseNotFound, SecondPersonRequired
from bezant.services.fraud.events.publishes import case_changed, case_decided
from bezant.services.fraud.metrics import CASE_SECONDS, CASES_DECIDED
from bezant.services.fraud.operations.read_cases import case_in
from bezant.services.fraud.operations.review_settings import settings_in
from bezant.services.fraud.storage import QUERIES

_STATUS = {CaseDecision.APPROVE: CaseStatus.APPROVED, CaseDecision.DECLINE: CaseStatus.DECLINED}


async def decide_case(
    databases: TenantDatabases, tenant_id: UUID, case_id: UUID, *, decision: CaseDecision, note: str, actor: str
) -> Case:
    """Decide the case and announce it in the same transaction.

    Where the tenant asks for a second person, the first decision is a proposal; the same decision by somebody else
    settles the case, and another decision by somebody else takes the proposal's place. Raises `CaseNotFound`,
    `SecondPersonRequired` for the first person deciding again, and `CaseAlreadyDecided` naming what stands.
    """
    status = _STATUS[decision]

    async def work(tx: TenantTransaction) -> Case:
        row = await tx.fetch_one(QUERIES["lock_case"], {"case_id": case_id})
        if row is None:
            raise CaseNotFound(f"There is no fraud case {case_id}.")
        case = await case_in(tx, case_id)
        if case.status is not CaseStatus.OPEN:
            raise CaseAlreadyDecided(
                f"The case was {case.status} by {case.decided_by} at {case.decided_at}; that decision stands.",
                case_status=case.status.value,
            )
        settings = await settings_in(tx)
        proposal = case.proposal
        if proposal is not None and proposal.proposed_by == actor:
            raise SecondPersonRequired(
                f"You proposed that the case be {proposal.status}; another person has to decide it now.",
                proposed_by=actor,
            )
        seconded = proposal is not None and proposal.status is status
        if settings.second_person.is_needed_for(status) and not seconded:
            await _propose(tx, case, status, decision, note=note, actor=actor)
        else:
            await _settle(tx, case, status, decision, note=note, actor=actor)
        return await case_in(tx, case_id)

    case = await databases.run(tenant_id, work, attempts=1)
    if case.decided_at is not None:
        CASES_DECIDED.labels(tenant=str(tenant_id), decision=decision).inc()
        CASE_SECONDS.labels(decision=decision).observe(_seconds(case.opened_at, case.decided_at))
    return case


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())


async def _propose(
    tx: TenantTransaction, case: Case, status: CaseStatus, decision: CaseDecision, *, note: str, actor: str
) -> None:
    await tx.execute(QUERIES["propose_decision"], {"case_id": case.id, "status": status, "note": note, "actor": actor})
    tx.emit(
        case_changed(
            CaseChange.PROPOSED,
            case_id=case.id,
            payment_id=case.payment_id,
            actor=actor,
            decision=decision,
            note=note,
        )
    )


async def _settle(
    tx: TenantTransaction, case: Case, status: CaseStatus, decision: CaseDecision, *, note: str, actor: str
) -> None:
    row = await tx.fetch_one(
        QUERIES["decide_case"], {"case_id": case.id, "status": status, "note": note, "decided_by": actor}
    )
    if row is None:
        raise LookupError(f"case {case.id} was decided while it was locked")
    tx.emit(
        case_decided(
            case_id=case.id,
            payment_id=case.payment_id,
            decision=decision,
            note=note,
            actor=actor,
            decided_at=row[1],
        )
    )
