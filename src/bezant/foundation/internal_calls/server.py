"""The answering side of internal calls."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from opentelemetry import trace

from bezant.contracts.json_text import UNREADABLE
from bezant.contracts.problems import Forbidden, InvalidRequest, Problem
from bezant.foundation.deadlines import current_deadline, deadline, deadline_in, has_passed, passed
from bezant.foundation.identity.internal_tokens import TokenVerifier
from bezant.foundation.internal_calls.wire import CallRequest, Part, PartAnswer, PartProblem, encode_line
from bezant.foundation.telemetry.metrics import DEADLINE_DROPS, INTERNAL_PARTS
from bezant.foundation.telemetry.tracing import linked_span

Item = TypeVar("Item")
PartHandler = Callable[[UUID, str, list[Any]], Awaitable[list[Any]]]
_log = logging.getLogger(__name__)


def parts_router(path: str, handler: PartHandler, *, item_type: Any, callers: set[str]) -> APIRouter:
    """Return a router with one POST route for the operation.

    `handler(tenant_id, caller, items)` returns one result for each item. Parts whose token is bad, is for another
    tenant, or comes from a service that is not in `callers` are refused, the others are done.
    """
    decoder = msgspec.json.Decoder(CallRequest[item_type])
    allowed = frozenset(callers)
    tracer = trace.get_tracer(__name__)
    router = APIRouter()
    outcomes = {
        outcome: INTERNAL_PARTS.labels(operation=path.rsplit("/v1/", 1)[-1], outcome=outcome)
        for outcome in ("answered", "refused", "failed")
    }
    dropped = DEADLINE_DROPS.labels(place=f"part {path.rsplit('/v1/', 1)[-1]}")

    async def answer(position: int, part: Part[Any], verifier: TokenVerifier) -> bytes:
        with deadline(deadline_in(part.deadline_milliseconds)):
            outcome, line = await judged(position, part, verifier)
        outcomes[outcome].inc()
        return line

    async def judged(position: int, part: Part[Any], verifier: TokenVerifier) -> tuple[str, bytes]:
        try:
            caller, tenant_id = verifier.verify(part.token, callers=allowed)
            if tenant_id != part.tenant_id:
                raise Forbidden("the internal token is for another tenant")  # noqa: TRY301
            if has_passed(current_deadline()):
                dropped.inc()
                raise passed()  # noqa: TRY301
            with linked_span(tracer, path, [part.traceparent]):
                results = await handler(tenant_id, caller, part.items)
        except Problem as problem:
            told = PartProblem(problem.status, problem.code, problem.detail, problem.retry_after_seconds)
            outcome = "failed" if problem.status >= 500 else "refused"
            return outcome, encode_line(PartAnswer(position, problem=told))
        except psycopg.OperationalError as error:
            detail = f"the database of the tenant does not answer ({type(error).__name__})"
            return "failed", encode_line(
                PartAnswer(position, problem=PartProblem(503, "tenant_unavailable", detail, 2))
            )
        except Exception:
            _log.exception("%s failed for tenant %s", path, part.tenant_id)
            detail = "the call failed inside the called service; its log has the reason"
            return "failed", encode_line(PartAnswer(position, problem=PartProblem(500, "internal_error", detail)))
        return "answered", encode_line(PartAnswer(position, results=results))

    async def stream(parts: list[Part[Any]], verifier: TokenVerifier) -> AsyncIterator[bytes]:
        tasks = [asyncio.create_task(answer(position, part, verifier)) for position, part in enumerate(parts)]
        for finished in asyncio.as_completed(tasks):
            yield await finished

    async def call(request: Request) -> Response:
        try:
            body = decoder.decode(await request.body())
        except UNREADABLE as error:
            raise InvalidRequest(f"not an internal call of this version: {error}") from error
        verifier: TokenVerifier = request.app.state.token_verifier
        if len(body.parts) == 1:
            return Response(await answer(0, body.parts[0], verifier), media_type="application/jsonl")
        return StreamingResponse(stream(body.parts, verifier), media_type="application/jsonl")

    router.add_api_route(path, call, methods=["POST"], include_in_schema=False)
    return router
