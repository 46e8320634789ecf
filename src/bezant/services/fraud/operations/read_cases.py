"""Read cases and assessments."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from bezant.contracts.fraud_events import CaseOrigin
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.cases import Case, CaseStatus, Proposal, StoredAssessment
from bezant.services.fraud.domain.features import named_features
from bezant.services.fraud.domain.problems import AssessmentNotFound, CaseNotFound
from bezant.services.fraud.storage import QUERIES


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases are asked for; None lets everything through."""

    status: CaseStatus | None = None
    assignee: str | None = None
    unassigned: bool = False
    payment_id: UUID | None = None


async def list_cases(
    databases: TenantDatabases, tenant_id: UUID, *, wanted: CaseFilter, after: UUID | None, limit: int
) -> list[Case]:
    """Return at most `limit` cases after a case id, oldest first."""
    async with databases.transaction(tenant_id) as tx:
        rows = await tx.fetch_all(
            QUERIES["list_cases"],
            {
                "status": wanted.status,
                "assignee": wanted.assignee,
                "unassigned": wanted.unassigned,
                "payment_id": wanted.payment_id,
                "after": after,
                "limit": limit,
            },
        )
    return [_case(row) for row in rows]


async def read_case(databases: TenantDatabases, tenant_id: UUID, case_id: UUID) -> Case:
    """Return one case. Raises `CaseNotFound`."""
    async with databases.transaction(tenant_id) as tx:
        return await case_in(tx, case_id)


async def case_in(tx: TenantTransaction, case_id: UUID) -> Case:
    """Return one case as a transaction sees it. Raises `CaseNotFound`."""
    row = await tx.fetch_one(QUERIES["case_by_id"], {"case_id": case_id})
    if row is None:
        raise CaseNotFound(f"There is no fraud case {case_id}.")
    return _case(row)


async def read_assessment(databases: TenantDatabases, tenant_id: UUID, payment_id: UUID) -> StoredAssessment:
    """Return how a payment was judged. Raises `AssessmentNotFound`."""
    async with databases.transaction(tenant_id) as tx:
        row = await tx.fetch_one(QUERIES["assessment_by_payment"], {"payment_id": payment_id})
    if row is None:
        raise AssessmentNotFound(f"No assessment of a payment {payment_id} exists.")
    values: list[Any] = list(row[:15])
    feature_set, shadow = row[15], row[16]
    values[8], values[11] = msgspec.json.decode(row[8]), named_features(msgspec.json.decode(row[11]), feature_set)
    values.append(None if shadow is None else msgspec.json.decode(shadow))
    return StoredAssessment(*values)


def _case(row: tuple[Any, ...]) -> Case:
    values: list[Any] = list(row[:17])
    feature_set, assignee, assigned_at, *proposed = row[17:]
    values[3], values[16] = CaseStatus(row[3]), CaseOrigin(row[16])
    values[9], values[15] = msgspec.json.decode(row[9]), named_features(msgspec.json.decode(row[15]), feature_set)
    proposal = None
    if proposed[0] is not None:
        proposal = Proposal(CaseStatus(proposed[0]), proposed[1], proposed[2] or "", proposed[3])
    return Case(*[*values, assignee, assigned_at, proposal])
