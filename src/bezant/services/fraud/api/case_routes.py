"""Routes about cases: the queue, work on a case, its decision, labels, and what the tenant asks of reviews."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, status

from bezant.contracts.annotations import Text
from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.foundation.http import Page, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.fraud.api.case_schemas import (
    AssignmentIn,
    CaseDecisionIn,
    CaseNoteIn,
    CaseNoteOut,
    CaseOut,
    LabelIn,
    LabelOut,
    ReviewSettingsIn,
    ReviewSettingsOut,
)
from bezant.services.fraud.domain.cases import CaseStatus
from bezant.services.fraud.operations.decide_case import decide_case
from bezant.services.fraud.operations.label_payments import label_payment, read_label
from bezant.services.fraud.operations.read_cases import CaseFilter, list_cases, read_case
from bezant.services.fraud.operations.review_settings import read_settings, set_settings
from bezant.services.fraud.operations.work_cases import add_note, assign_case, claim_case, list_notes

Reader = Annotated[Caller, Depends(require("fraud:read"))]
Writer = Annotated[Caller, Depends(require("fraud:write"))]
Owner = Annotated[Caller, Depends(require("keys:write"))]
NOBODY = "nobody"
Assignee = Annotated[
    Text | None, Query(max_length=200, description=f"Only cases of this actor; `{NOBODY}` for those in the queue")
]


async def _wanted(
    status: CaseStatus | None = None, assignee: Assignee = None, payment_id: UUID | None = None
) -> CaseFilter:
    unassigned = assignee == NOBODY
    return CaseFilter(status, None if unassigned else assignee, unassigned, payment_id)


Wanted = Annotated[CaseFilter, Depends(_wanted)]


def cases_router(databases: TenantDatabases) -> APIRouter:
    """Return the routes under /v1/fraud/cases, /v1/fraud/labels and /v1/fraud/settings."""
    router = APIRouter(prefix="/v1/fraud", tags=["fraud"])
    _queue_routes(router, databases)
    _work_routes(router, databases)
    _label_routes(router, databases)
    return router


def _queue_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("/cases", summary="List cases, oldest first")
    async def get_cases(
        caller: Reader, wanted: Wanted, limit: page_limit = 50, cursor: str | None = None
    ) -> Page[CaseOut]:
        cases = await list_cases(databases, caller.tenant, wanted=wanted, after=decode_cursor(cursor), limit=limit + 1)
        page = cases[:limit]
        return Page(
            data=[CaseOut.of(case) for case in page],
            next_cursor=encode_cursor(page[-1].id) if len(cases) > limit else None,
        )

    @router.post("/cases/claim", summary="Take the gravest open case that nobody has")
    async def post_claim(caller: Writer) -> CaseOut:
        """The highest score first, the oldest among equals; two people never get the same case."""
        return CaseOut.of(await claim_case(databases, caller.tenant, actor=caller.actor))

    @router.get("/cases/{case_id}", summary="One case")
    async def get_case(case_id: UUID, caller: Reader) -> CaseOut:
        return CaseOut.of(await read_case(databases, caller.tenant, case_id))

    @router.post("/cases/{case_id}/decision", summary="Approve or decline the held payment")
    async def post_decision(case_id: UUID, body: CaseDecisionIn, caller: Writer) -> CaseOut:
        """The payment is captured, authorized or released within moments; a case is decided once (409 after).

        Where the tenant asks for a second person the case stays open with a `proposal`, until somebody else (another
        key or person) sends the same decision; 403 for the first person again.
        """
        refuse_card_numbers(note=body.note)
        case = await decide_case(
            databases, caller.tenant, case_id, decision=body.decision, note=body.note, actor=caller.actor
        )
        return CaseOut.of(case)


def _work_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.put("/cases/{case_id}/assignee", summary="Give a case to somebody, or back to the queue")
    async def put_assignee(case_id: UUID, body: AssignmentIn, caller: Writer) -> CaseOut:
        case = await assign_case(databases, caller.tenant, case_id, body.assignee, actor=caller.actor)
        return CaseOut.of(case)

    @router.post("/cases/{case_id}/notes", summary="Write a note", status_code=status.HTTP_201_CREATED)
    async def post_note(case_id: UUID, body: CaseNoteIn, caller: Writer) -> CaseNoteOut:
        refuse_card_numbers(note=body.note)
        return CaseNoteOut.of(await add_note(databases, caller.tenant, case_id, body.note, actor=caller.actor))

    @router.get("/cases/{case_id}/notes", summary="The notes about a case, oldest first")
    async def get_notes(
        case_id: UUID, caller: Reader, limit: page_limit = 50, cursor: str | None = None
    ) -> Page[CaseNoteOut]:
        notes = await list_notes(databases, caller.tenant, case_id, after=decode_cursor(cursor), limit=limit + 1)
        page = notes[:limit]
        return Page(
            data=[CaseNoteOut.of(written) for written in page],
            next_cursor=encode_cursor(page[-1].id) if len(notes) > limit else None,
        )


def _label_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.put("/labels/{payment_id}", summary="Say what a payment turned out to be")
    async def put_label(payment_id: UUID, body: LabelIn, caller: Writer) -> LabelOut:
        """Backtests and models are measured against labels. The last one counts; the audit log has them all."""
        refuse_card_numbers(note=body.note)
        label = await label_payment(
            databases, caller.tenant, payment_id, body.label, source=body.source, note=body.note, actor=caller.actor
        )
        return LabelOut.of(label)

    @router.get("/labels/{payment_id}", summary="What a payment turned out to be")
    async def get_label(payment_id: UUID, caller: Reader) -> LabelOut:
        return LabelOut.of(await read_label(databases, caller.tenant, payment_id))

    @router.get("/settings", summary="What the tenant asks of reviews")
    async def get_settings(caller: Reader) -> ReviewSettingsOut:
        return ReviewSettingsOut.of(await read_settings(databases, caller.tenant))

    @router.put("/settings", summary="Change what the tenant asks of reviews")
    async def put_settings(body: ReviewSettingsIn, caller: Owner) -> ReviewSettingsOut:
        """It needs the scope `keys:write`: who decides cases cannot switch the second person off."""
        return ReviewSettingsOut.of(
            await set_settings(databases, caller.tenant, body.second_person, actor=caller.actor)
        )
