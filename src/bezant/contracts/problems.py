"""Errors that reach a client: typed classes with a status and a stable code, rendered as RFC 9457.

Each service adds its own subclasses in its `domain/problems.py`; `foundation.http` renders all of them in one
place. The `detail` of an instance says what happened and what to do about it.
"""

from typing import Any, ClassVar

TYPE_BASE = "https://bezant.dev/problems/"


class Problem(Exception):
    """An error that is answered to the client as `application/problem+json`."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str, *, retry_after_seconds: int | None = None, **extensions: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.extensions = extensions

    def document(self) -> dict[str, Any]:
        """Return the problem details object (RFC 9457 §3)."""
        return {
            **self.extensions,
            "type": TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }


class InvalidRequest(Problem):
    """The request cannot be read or breaks the schema; `errors` lists each place."""

    status = 400
    code = "invalid_request"
    title = "The request is not valid"


class InvalidCursor(InvalidRequest):
    """A pagination cursor that Bezant did not hand out."""

    code = "invalid_cursor"
    title = "The cursor is not valid"


class CardNumberRefused(InvalidRequest):
    """Free text holds a payment card number."""

    code = "card_number_refused"
    title = "Card numbers are not accepted"


class IdempotencyKeyMissing(InvalidRequest):
    """A request that creates or moves money came without an Idempotency-Key."""

    code = "idempotency_key_missing"
    title = "The Idempotency-Key header is missing"


class Unauthenticated(Problem):
    """No API key, an unknown one, a revoked one or an expired one."""

    status = 401
    code = "unauthenticated"
    title = "The API key is missing or not valid"


class Forbidden(Problem):
    """The key is valid but may not do this."""

    status = 403
    code = "forbidden"
    title = "The API key may not do this"


class NotFound(Problem):
    """Nothing of that id exists for this tenant; another tenant's ids answer the same."""

    status = 404
    code = "not_found"
    title = "Not found"


class MethodNotAllowed(Problem):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"
    title = "The method is not allowed here"


class Conflict(Problem):
    """The object's state does not allow this."""

    status = 409
    code = "conflict"
    title = "The object's state does not allow this"


class RequestInProgress(Conflict):
    """Another request with the same Idempotency-Key is still being worked on."""

    code = "request_in_progress"
    title = "The same request is still in progress"


class TenantNotActive(Problem):
    """The tenant is being onboarded, suspended or closed."""

    status = 403
    code = "tenant_not_active"
    title = "The tenant is not active"


class BodyTooLarge(Problem):
    """The body is larger than the limit."""

    status = 413
    code = "body_too_large"
    title = "The request body is too large"


class UnsupportedMediaType(Problem):
    """The body is not JSON."""

    status = 415
    code = "unsupported_media_type"
    title = "Send application/json"


class Unprocessable(Problem):
    """The request is well formed, and what it asks for cannot be done."""

    status = 422
    code = "unprocessable"
    title = "This cannot be done"


class IdempotencyKeyReused(Unprocessable):
    """The Idempotency-Key was used before for a different request."""

    code = "idempotency_key_reused"
    title = "The Idempotency-Key belongs to another request"


class RateLimited(Problem):
    """The tenant sent more requests than its limit allows."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"


class ShareExceeded(RateLimited):
    """The process is at its limit, and the tenant uses more than its share of it; nothing was done."""

    code = "share_exceeded"
    title = "This tenant uses more than its share at the moment"


class Unavailable(Problem):
    """Something Bezant needs does not answer; try again."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"


class Overloaded(Unavailable):
    """The process works on as much as it can finish in time; nothing was done."""

    code = "overloaded"
    title = "There is more to do than can be done in time"


class DeadlinePassed(Unavailable):
    """The time in which an answer was of use ran out before the work began; nothing was done."""

    code = "deadline_passed"
    title = "The time for this request ran out before it was begun"


class TenantUnavailable(Unavailable):
    """The tenant's database does not answer."""

    code = "tenant_unavailable"
    title = "The tenant's database is temporarily unavailable"


class InternalCallFailed(Unavailable):
    """Another service did not answer in time; what became of the work is not known yet."""

    code = "dependency_unavailable"
    title = "A part of the platform is temporarily unavailable"
