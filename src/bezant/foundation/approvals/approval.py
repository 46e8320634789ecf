"""An approval as it is read."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID


class ApprovalStatus(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    """Waits for somebody else."""
    APPROVED = "approved"
    """Will be done in a moment."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    """By whoever asked."""
    EXPIRED = "expired"
    """Nobody decided in time."""
    EXECUTED = "executed"
    FAILED = "failed"
    """Approved, and then it could not be done; `outcome` says why."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What one person asked for and another has to approve. `request` is all that is needed to do it."""

    id: UUID
    tenant_id: UUID
    service: str
    action: str
    subject: str
    request: dict[str, Any]
    scope: str
    status: ApprovalStatus
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    note: str
    finished_at: datetime | None
    outcome: dict[str, Any] | None

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Self:
        """Return the approval in a row; one that nobody decided in time is expired."""
        status = ApprovalStatus(row[7])
        if status is ApprovalStatus.PENDING and row[10] <= datetime.now(UTC):
            status = ApprovalStatus.EXPIRED
        values: list[Any] = [*row[:7], status, *row[8:16]]
        return cls(*values)
