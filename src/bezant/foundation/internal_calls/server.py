"""The answering side of internal calls."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import psycopg
from opentelemetry import trace
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bezant.contracts.json_text import UNREADABLE
from bezant.contracts.problems import Forbidden, InvalidRequest, Problem
from bezant.foundation.deadlines import current_deadline, deadline, deadline_in, has_passed, passed
from bezant.foundation.http.bodies import read_body
from bezant.foundation.http.problems import problem_response
from bezant.foundation.identity.internal_tokens import TokenVerifier
from bezant.foundation.internal_calls.wire import CallRequest, Part, PartAnswer, PartProblem, encode_line
from bezant.foundation.telemetry.metrics import DEADLINE_DROPS, INTERNAL_PARTS
from bezant.foundation.telemetry.tracing import linked_span

Item = TypeVar("Item")
PartHandler = Callable[[UUID, str, list[Any]], Awaitable[list[Any]]]
_log = logging.getLogger(__name__)


def parts_route(path: str, handler: PartHandler, *, item_type: Any, callers: set[str]) -> "PartsRoute":
    """Return the POST route of an operation.

    `handler(tenant_id, caller, items)` returns one result for each item. Parts whose token is bad, is for another
    tenant, or comes from a service that is not in `callers` are refused, the others are done.
    """
    decoder = msgspec.json.Decoder(CallRequest[item_type])
    allowed = frozenset(callers)
    tracer = trace.get_tracer(__name__)
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

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = decoder.decode(await read_body(receive))
        except UNREADABLE as error:
            problem = InvalidRequest(f"not an internal call of this version: {error}")
            await problem_response(problem)(scope, receive, send)
            return
        verifier: TokenVerifier = scope["app"].state.token_verifier
        if len(body.parts) == 1:
            line = await answer(0, body.parts[0], verifier)
            await send(_start((b"content-length", str(len(line)).encode())))
            await send({"type": "http.response.body", "body": line})
            return
        await send(_start())
        pending = {asyncio.create_task(answer(place, part, verifier)) for place, part in enumerate(body.parts)}
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            lines = b"".join(task.result() for task in done)
            await send({"type": "http.response.body", "body": lines, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return PartsRoute(path, call)


class PartsRoute(Route):
    """A route whose endpoint the edge calls itself: between services a framework would cost more than its work."""

    def __init__(self, path: str, call: ASGIApp) -> None:
        # in an object, since a route takes a function for a handler of requests
        self.call = call
        super().__init__(path, _Endpoint(call), methods=["POST"], include_in_schema=False)


class _Endpoint:
    def __init__(self, call: ASGIApp) -> None:
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._call(scope, receive, send)


def _start(*headers: tuple[bytes, bytes]) -> Message:
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"application/jsonl"), *headers],
    }
