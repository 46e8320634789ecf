"""Errors about acts that need another person."""

from bezant.contracts.problems import Conflict


class ApprovalRequired(Conflict):
    """The tenant wants two people for this, and this way there is only one."""

    code = "approval_required"
    title = "Another person has to approve this"
