"""Approvals: acts that a tenant wants two people for (four eyes).

The owner of an act asks instead of acting (`Approvals.ask`); somebody else approves through the tenant service; the
owner then acts by due work, through an executor that has its effect once however often it is called.
"""

from bezant.foundation.approvals.approval import Approval, ApprovalStatus
from bezant.foundation.approvals.asking import APPROVALS, Approvals, Executor
from bezant.foundation.approvals.schemas import ApprovalView, approval_response, approval_view

__all__ = [
    "APPROVALS",
    "Approval",
    "ApprovalStatus",
    "ApprovalView",
    "Approvals",
    "Executor",
    "approval_response",
    "approval_view",
]
