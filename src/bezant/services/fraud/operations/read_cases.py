"""Read cases and assessments."""

from typing import Any
from uuid import UUID

import msgspec

from bezant.contracts.fraud_events import CaseOrigin
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.cases import Case, CaseStatus, StoredAssessment
from bezant.services.fraud.domain.problems import AssessmentNotFound, CaseNotFound
from bezant.services.fraud.storage import QUERIES


async def list_cases(
    databases: TenantDatabases, tenant_id: UUID, *, status: CaseStatus | None, after: UUID | None, limit: int
) -> list[Case]:
    """Return at most `limit` cases after a case id, oldest first."""
    async with databases.transaction(tenant_id) as tx:
        rows = await tx.fetch_all(QUERIES["list_cases"], {"status": status, "after": after, "limit": limit})
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
    values: list[Any] = list(row)
    values[8], values[11] = msgspec.json.decode(row[8]), msgspec.json.decode(row[11])
    return StoredAssessment(*values)


def _case(row: tuple[Any, ...]) -> Case:
    values: list[Any] = list(row)
    values[3], values[16] = CaseStatus(row[3]), CaseOrigin(row[16])
    values[9], values[15] = msgspec.json.decode(row[9]), msgspec.json.decode(row[15])
    return Case(*values)
