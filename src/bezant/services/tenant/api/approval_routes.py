"""Routes below `/v1/approvals`."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from bezant.contracts.annotations import Text
from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.foundation.approvals import ApprovalStatus, ApprovalView, approval_view
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.http import Page, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.identity.api_keys import Caller
from bezant.services.tenant.operations.decide_approval import decide_approval, list_approvals, read_approval

Reader = Annotated[Caller, Depends(require("approvals:read"))]
Decider = Annotated[Caller, Depends(require("approvals:write"))]


class ApprovalNote(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[Text, Field(max_length=500)] = ""


def approval_routes(control: ControlDatabase, *, announce: Callable[[], None]) -> APIRouter:
    """Return the routes. `announce` has the events of a decision published at once."""
    router = APIRouter(tags=["approvals"])

    async def decide(
        caller: Caller, approval_id: UUID, status: ApprovalStatus, body: ApprovalNote | None
    ) -> ApprovalView:
        note = (body or ApprovalNote()).note
        refuse_card_numbers(note=note)
        decided = await decide_approval(control, caller, approval_id, status, note=note)
        announce()
        return approval_view(decided)

    @router.get("/v1/approvals")
    async def list_all(
        caller: Reader, status: ApprovalStatus | None = None, limit: page_limit = 50, cursor: str | None = None
    ) -> Page[ApprovalView]:
        """List what was asked for, latest first."""
        found = await list_approvals(
            control, caller.tenant, status=status, before=decode_cursor(cursor), limit=limit + 1
        )
        page = found[:limit]
        return Page(
            data=[approval_view(approval) for approval in page],
            next_cursor=encode_cursor(page[-1].id) if len(found) > limit else None,
        )

    @router.get("/v1/approvals/{approval_id}")
    async def get_one(approval_id: UUID, caller: Reader) -> ApprovalView:
        """Return one approval."""
        return approval_view(await read_approval(control, caller.tenant, approval_id))

    @router.post("/v1/approvals/{approval_id}/approve")
    async def approve(approval_id: UUID, caller: Decider, body: ApprovalNote | None = None) -> ApprovalView:
        """Approve what somebody else asked for. It is done within seconds, once."""
        return await decide(caller, approval_id, ApprovalStatus.APPROVED, body)

    @router.post("/v1/approvals/{approval_id}/reject")
    async def reject(approval_id: UUID, caller: Decider, body: ApprovalNote | None = None) -> ApprovalView:
        """Reject what somebody else asked for."""
        return await decide(caller, approval_id, ApprovalStatus.REJECTED, body)

    @router.post("/v1/approvals/{approval_id}/withdraw")
    async def withdraw(approval_id: UUID, caller: Decider, body: ApprovalNote | None = None) -> ApprovalView:
        """Withdraw what you asked for yourself."""
        return await decide(caller, approval_id, ApprovalStatus.WITHDRAWN, body)

    return router
