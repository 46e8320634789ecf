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


def install_problem_handlers(app: FastAPI) -> None:
    """Make the app answer every exception as a problem; an unforeseen one is logged and says nothing of itself."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(error)

    async def on_validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(validation_problem(list(error.errors())))

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = _BY_STATUS.get(error.status_code, InvalidRequest)
        return problem_response(kind(str(error.detail)))

    async def on_database(_: Request, error: Exception) -> Response:
        if is_transient(error):
            return problem_response(
                TenantUnavailable("the database of this tenant does not answer; try again", retry_after_seconds=2)
            )
        return await on_unforeseen(_, error)

    async def on_unforeseen(request: Request, error: Exception) -> Response:
        _log.error("unforeseen error at %s %s", request.method, request.url.path, exc_info=error)
        return problem_response(
            Problem("an unforeseen error; it is in our logs under this request's id, see the x-request-id header")
        )

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(psycopg.Error, on_database)
    app.add_exception_handler(Exception, on_unforeseen)
