"""Errors of the tenant service."""

from bezant.contracts.problems import Conflict, Problem


class SlugTaken(Conflict):
    """Another tenant has this slug."""

    code = "slug_taken"
    title = "The slug is taken"


class OperationInProgress(Conflict):
    """Another operation on the tenant has not ended yet."""

    code = "operation_in_progress"
    title = "Another operation on this tenant is in progress"


class TenantInUse(Conflict):
    """The tenant cannot be closed: money is still in it."""

    code = "tenant_in_use"
    title = "Money is still in this tenant"


class TierNotOffered(Problem):
    """This deployment cannot provision the tier."""

    status = 422
    code = "tier_not_offered"
    title = "The tier is not offered here"
