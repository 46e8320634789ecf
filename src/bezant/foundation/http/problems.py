"""Every error that leaves a service is rendered here, as `application/problem+json` (RFC 9457)."""

import logging
from typing import Any

import msgspec
import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from bezant.contracts.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    TenantUnavailable,
    Unauthenticated,
    UnsupportedMediaType,
)
from bezant.foundation.database.transient import is_transient

_log = logging.getLogger(__name__)
_BY_STATUS: dict[int, type[Problem]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
}


def problem_response(problem: Problem) -> Response:
    """Return the response for a problem."""
    headers = {}
    if problem.retry_after_seconds is not None:
        headers["retry-after"] = str(problem.retry_after_seconds)
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(
        msgspec.json.encode(problem.document()),
        status_code=problem.status,
        headers=headers,
        media_type="application/problem+json",
    )


def validation_problem(errors: list[Any]) -> InvalidRequest:
    """Return the problem for Pydantic's errors: each place and what is wrong there, without the values sent."""
    listed = [{"place": ".".join(str(step) for step in error["loc"]), "message": error["msg"]} for error in errors[:20]]
    first = listed[0] if listed else {"place": "body", "message": "not valid"}
    return InvalidRequest(f"{first['place']}: {first['message']}", errors=listed)


def exception_response(error: Exception, method: str, path: str) -> Response:
    """Return the response for any exception; an unforeseen one is logged and says nothing of itself."""
    if isinstance(error, Problem):
        return problem_response(error)
    if isinstance(error, RequestValidationError):
        return problem_response(validation_problem(list(error.errors())))
    if isinstance(error, HTTPException):
        return problem_response(_BY_STATUS.get(error.status_code, InvalidRequest)(str(error.detail)))
    if isinstance(error, psycopg.Error) and (is_transient(error) or isinstance(error, psycopg.errors.QueryCanceled)):
        return problem_response(
            TenantUnavailable("the database of this tenant does not answer; try again", retry_after_seconds=2)
        )
    _log.error("unforeseen error at %s %s", method, path, exc_info=error)
    return problem_response(
        Problem("an unforeseen error; it is in our logs under this request's id, see the x-request-id header")
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make the app answer every exception as a problem."""

    async def handle(request: Request, error: Exception) -> Response:
        return exception_response(error, request.method, request.url.path)

    for kind in (Problem, RequestValidationError, HTTPException, psycopg.Error, Exception):
        app.add_exception_handler(kind, handle)
