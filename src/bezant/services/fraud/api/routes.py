"""The public fraud API: dry runs, assessments, velocity."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.fraud import AssessmentRequest, PaymentContext
from bezant.foundation.http import require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.fraud.api.schemas import AssessmentOut, DryRunIn, JudgementOut, RecountOut
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.operations.read_cases import read_assessment
from bezant.services.fraud.operations.recount_velocity import VelocityHistory

Reader = Annotated[Caller, Depends(require("fraud:read"))]
Writer = Annotated[Caller, Depends(require("fraud:write"))]


def public_router(databases: TenantDatabases, assess: AssessPayments, history: VelocityHistory) -> APIRouter:
    """Return the routes under /v1/fraud/assessments and /v1/fraud/velocity."""
    router = APIRouter(prefix="/v1/fraud", tags=["fraud"])
    _assessment_routes(router, databases, assess)
    _velocity_routes(router, history)
    return router


def _assessment_routes(router: APIRouter, databases: TenantDatabases, assess: AssessPayments) -> None:
    @router.post("/assessments", summary="Judge a payment without making it")
    async def dry_run(body: DryRunIn, caller: Reader) -> JudgementOut:
        """A dry run: it counts nothing towards velocity and stores nothing."""
        request = AssessmentRequest(
            payment_id=new_id(),
            source_account_id=body.source_account_id,
            destination_account_id=body.destination_account_id,
            amount_minor=body.amount.amount_minor,
            currency=body.amount.currency,
            created_at=datetime.now(UTC),
            context=PaymentContext(**body.context.model_dump()),
            dry_run=True,
        )
        (assessment,) = await assess(caller.tenant, [request])
        return JudgementOut.of(assessment)

    @router.get("/assessments/{payment_id}", summary="How a payment was judged")
    async def get_assessment(payment_id: UUID, caller: Reader) -> AssessmentOut:
        return AssessmentOut.of(await read_assessment(databases, caller.tenant, payment_id))


def _velocity_routes(router: APIRouter, history: VelocityHistory) -> None:
    @router.post("/velocity/recount", summary="Count velocity anew from the stored assessments")
    async def post_recount(caller: Writer) -> RecountOut:
        """It happens by itself when the counters were lost; this is for counters that are in doubt.

        Payments that are judged meanwhile are marked `degraded`, with the reason `velocity_incomplete`.
        """
        counted = await history.recount_now(caller.tenant)
        return RecountOut(payments=counted.payments, older_payments=counted.older_payments)
