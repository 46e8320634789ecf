"""The public fraud API: dry runs, assessments, cases, rules."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.fraud import AssessmentRequest, PaymentContext
from bezant.foundation.http import Page, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.fraud.api.rule_schemas import RulesHistoryOut, RulesIn, RulesOut, RulesVersionOut
from bezant.services.fraud.api.schemas import (
    AssessmentOut,
    CaseDecisionIn,
    CaseOut,
    DryRunIn,
    JudgementOut,
)
from bezant.services.fraud.domain.cases import CaseStatus
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.operations.change_rules import list_rulesets, read_rules, replace_rules
from bezant.services.fraud.operations.decide_case import decide_case
from bezant.services.fraud.operations.read_cases import list_cases, read_assessment, read_case

Reader = Annotated[Caller, Depends(require("fraud:read"))]
Writer = Annotated[Caller, Depends(require("fraud:write"))]


def public_router(databases: TenantDatabases, assess: AssessPayments) -> APIRouter:
    """Return the routes under /v1/fraud."""
    router = APIRouter(prefix="/v1/fraud", tags=["fraud"])
    _assessment_routes(router, databases, assess)
    _case_routes(router, databases)
    _rule_routes(router, databases)
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


def _case_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("/cases", summary="List cases, oldest first")
    async def get_cases(
        caller: Reader, status: CaseStatus | None = None, limit: page_limit = 50, cursor: str | None = None
    ) -> Page[CaseOut]:
        cases = await list_cases(databases, caller.tenant, status=status, after=decode_cursor(cursor), limit=limit + 1)
        page = cases[:limit]
        return Page(
            data=[CaseOut.of(case) for case in page],
            next_cursor=encode_cursor(page[-1].id) if len(cases) > limit else None,
        )

    @router.get("/cases/{case_id}", summary="One case")
    async def get_case(case_id: UUID, caller: Reader) -> CaseOut:
        return CaseOut.of(await read_case(databases, caller.tenant, case_id))

    @router.post("/cases/{case_id}/decision", summary="Approve or decline the held payment")
    async def post_decision(case_id: UUID, body: CaseDecisionIn, caller: Writer) -> CaseOut:
        """The payment is captured, authorized or released within moments; a case is decided once (409 after)."""
        refuse_card_numbers(note=body.note)
        case = await decide_case(
            databases, caller.tenant, case_id, decision=body.decision, note=body.note, actor=caller.actor
        )
        return CaseOut.of(case)


def _rule_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("/rules", summary="The rule set that judges now")
    async def get_rules(caller: Reader) -> RulesOut:
        return RulesOut.of(await read_rules(databases, caller.tenant))

    @router.put("/rules", summary="Replace the rule set")
    async def put_rules(body: RulesIn, caller: Writer) -> RulesOut:
        """The rule set is compiled and tried on sample payments first; a bad rule is named and changes nothing."""
        refuse_card_numbers(note=body.note)
        record = await replace_rules(
            databases,
            caller.tenant,
            body.ruleset(),
            based_on_version=body.based_on_version,
            note=body.note,
            actor=caller.actor,
        )
        return RulesOut.of(record)

    @router.get("/rules/versions", summary="The history of rule sets, newest first")
    async def get_versions(
        caller: Reader, limit: page_limit = 50, before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
    ) -> RulesHistoryOut:
        history = await list_rulesets(databases, caller.tenant, before=before, limit=limit + 1)
        page = history[:limit]
        return RulesHistoryOut(
            data=[RulesVersionOut.of(summary) for summary in page],
            next_before=page[-1].version if len(history) > limit else None,
        )

    @router.get("/rules/versions/{version}", summary="One rule set of the history")
    async def get_version(version: Annotated[int, Path(ge=1, le=2**31 - 1)], caller: Reader) -> RulesOut:
        return RulesOut.of(await read_rules(databases, caller.tenant, version))
