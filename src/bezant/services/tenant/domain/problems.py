"""Errors of the tenant service."""

from bezant.contracts.problems import Conflict, NotFound, Problem, RateLimited, Unauthenticated, Unprocessable


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


class OperatorExists(Conflict):
    """Somebody with this address may sign in there already."""

    code = "operator_exists"
    title = "This person may sign in already"


class OperatorNotFound(NotFound):
    """No such person there."""

    code = "operator_not_found"
    title = "There is no such person"


class SignInNotOffered(Conflict):
    """This deployment has no identity provider."""

    code = "sign_in_not_offered"
    title = "Nobody can sign in here"


class RedirectRefused(Unprocessable):
    """The identity provider must not send people there."""

    code = "redirect_uri_refused"
    title = "The redirect address is not allowed"


class SignInRefused(Unauthenticated):
    """The identity provider refused, what it said does not hold, or the person may not sign in here."""

    code = "sign_in_refused"
    title = "The sign-in was refused"


class TooManySignIns(RateLimited):
    """More sign-ins have begun than can be kept."""

    code = "too_many_sign_ins"
    title = "Too many sign-ins have begun"


class NoSession(Conflict):
    """The request was made with a key, which is revoked, not signed out."""

    code = "no_session"
    title = "This is not a session"


class ApprovalNotFound(NotFound):
    """The tenant has no such approval."""

    code = "approval_not_found"
    title = "There is no such approval"


class ApprovalDecidedAlready(Conflict):
    """Somebody has decided, or the time is over."""

    code = "approval_not_pending"
    title = "The approval is not pending any more"


class FourEyesNeeded(Conflict):
    """Whoever asked, or made the key of whoever asked, cannot approve."""

    code = "four_eyes_needed"
    title = "Somebody else has to decide"


class ExportNotFound(NotFound):
    """Nothing was exported of the tenant, or it is not kept any more."""

    code = "export_not_found"
    title = "There is no such export"
