"""How approvals are answered."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from bezant.foundation.approvals.approval import Approval, ApprovalStatus


class ApprovalView(BaseModel):
    """What one person asked for and another has to approve."""

    id: UUID
    action: str = Field(description="transfer.reverse or raise_limits")
    subject: str = Field(description="The id of what it is done to")
    request: dict[str, Any]
    status: ApprovalStatus
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    note: str
    finished_at: datetime | None
    outcome: dict[str, Any] | None = Field(description="What came of it, or why it could not be done")


def approval_view(approval: Approval) -> ApprovalView:
    """Return the answer for an approval."""
    return ApprovalView(
        id=approval.id,
        action=approval.action,
        subject=approval.subject,
        request=approval.request,
        status=approval.status,
        requested_by=approval.requested_by,
        requested_at=approval.requested_at,
        expires_at=approval.expires_at,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
        note=approval.note,
        finished_at=approval.finished_at,
        outcome=approval.outcome,
    )


def approval_response(approval: Approval) -> JSONResponse:
    """Return the answer to a request that now waits for another person: 202, and where to look."""
    return JSONResponse(
        approval_view(approval).model_dump(mode="json"),
        status_code=202,
        headers={"location": f"/v1/approvals/{approval.id}"},
    )
