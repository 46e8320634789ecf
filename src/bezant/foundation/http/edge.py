"""The edge: what every request passes before a route sees it.

Plain ASGI (https://asgi.readthedocs.io), since it stands on the path of every payment: request id, trace,
body limit, authentication, rate limit, metrics, and the count of requests in flight for a graceful stop.
"""

import re
import time
from collections.abc import Sequence
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import (
    BodyTooLarge,
    InvalidRequest,
    Problem,
    TenantNotActive,
    Unauthenticated,
    UnsupportedMediaType,
)
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.http.direct import DirectRequest, DirectRoute, read_body
from bezant.foundation.http.problems import exception_response, problem_response
from bezant.foundation.identity.api_keys import ApiKeys
from bezant.foundation.rate_limit import RateLimiter
from bezant.foundation.telemetry import logging as log_context
from bezant.foundation.telemetry.metrics import IN_FLIGHT, REQUEST_SECONDS, REQUESTS

_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._-]{1,64}$")
WITHOUT_KEY = frozenset({"/v1/sign-ins", "/v1/sign-ins/complete"})
"""How people get a session: what they send there is checked by the routes themselves."""
_UNMEASURED = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})
_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
"""What OWASP's REST Security Cheat Sheet asks of an API's answers; the page that shows the API's document sets its own
content policy. Strict-Transport-Security belongs to whoever ends TLS (RFC 6797 section 7.2)."""
_NOTHING_TO_LOAD = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Edge:
    """ASGI middleware around a service's routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        api_keys: ApiKeys,
        directory: TenantDirectory,
        rate_limiter: RateLimiter,
        body_limit_bytes: int,
        direct: Sequence[DirectRoute] = (),
    ) -> None:
        self._app = app
        self._direct = {(route.method, route.path): route for route in direct}
        self._service = service
        self._api_keys = api_keys
        self._directory = directory
        self._rate_limiter = rate_limiter
        self._body_limit_bytes = body_limit_bytes
        self._tracer = trace.get_tracer(__name__)
        self._in_flight = IN_FLIGHT.labels(service=service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; everything but HTTP is passed on."""
        if scope["type"] != "http" or scope["path"] in _UNMEASURED:
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.match(given) else str(new_id()).encode()
        id_token = log_context.request_id.set(request_id.decode())
        tenant_token = log_context.tenant_id.set(None)
        started = time.perf_counter()
        status = 500
        self._in_flight.inc()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id), *_SECURITY_HEADERS]
                if scope["path"].startswith("/v1/"):
                    message["headers"].append(_NOTHING_TO_LOAD)
            await send(message)

        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in headers.items()
            if name in (b"traceparent", b"tracestate", b"x-amzn-trace-id")
        }
        try:
            with self._tracer.start_as_current_span(
                f"{scope['method']} {self._service}", context=propagate.extract(carrier), kind=SpanKind.SERVER
            ) as span:
                await self._pass(scope, headers, receive, send_with_headers)
                if span.is_recording():
                    span.set_attribute("http.response.status_code", status)
                    span.set_attribute("http.route", _route(scope))
                    span.set_attribute("bezant.tenant_id", log_context.tenant_id.get() or "")
        finally:
            self._in_flight.dec()
            route = _route(scope)
            REQUEST_SECONDS.labels(service=self._service, route=route).observe(time.perf_counter() - started)
            REQUESTS.labels(
                service=self._service,
                route=route,
                method=scope["method"],
                status=str(status),
                tenant=log_context.tenant_id.get() or "",
            ).inc()
            log_context.request_id.reset(id_token)
            log_context.tenant_id.reset(tenant_token)

    async def _pass(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        try:
            if scope["path"].startswith("/v1/") and scope["path"] not in WITHOUT_KEY:
                _refuse_ambiguous(scope, headers)
                await self._admit(scope, headers)
            body = self._limited(scope, headers, receive)
        except Problem as problem:
            await problem_response(problem)(scope, receive, send)
            return
        route = self._direct.get((scope["method"], scope["path"]))
        if route is None:
            await self._app(scope, body.receive, body.unless_exceeded(send))
        else:
            scope["route"] = route
            response = await self._answer(route, scope, headers, body.receive)
            await response(scope, receive, body.unless_exceeded(send))
        if body.exceeded:
            # Whatever was made of the broken-off body: this is what was wrong.
            await problem_response(self._too_large())(scope, receive, send)

    async def _answer(
        self, route: DirectRoute, scope: Scope, headers: dict[bytes, bytes], receive: Receive
    ) -> Response:
        try:
            body = await read_body(receive)
            return await route.handler(DirectRequest(scope["bezant.caller"], headers, body))
        except ClientDisconnect:
            return problem_response(InvalidRequest("the body broke off before its end; nothing was done"))
        except Exception as error:
            return exception_response(error, scope["method"], scope["path"])

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        authorization = headers.get(b"authorization")
        if authorization is None:
            raise Unauthenticated("send your API key as `Authorization: Bearer bz_...`")
        caller = await self._api_keys.authenticate(authorization.decode("latin-1"))
        scope["bezant.caller"] = caller
        if caller.tenant_id is None:
            return
        log_context.tenant_id.set(str(caller.tenant_id))
        record = await self._directory.get(caller.tenant_id)
        if record.status != "active":
            record = await self._directory.latest(caller.tenant_id)
        if record.status != "active" and not (record.status in ("suspended", "closing") and scope["method"] == "GET"):
            raise TenantNotActive(
                f"this tenant is {record.status}: "
                + ("it can be read, not changed" if record.status in ("suspended", "closing") else "it cannot be used")
            )
        await self._rate_limiter.admit(caller.tenant_id, record.rate_limit_per_second)

    def _limited(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> "_Body":
        """Return the request's body under its limit. Raises `BodyTooLarge` for one that says it is larger."""
        if scope["path"].startswith("/internal/"):
            # Another service's call carries the groups of many tenants, each made of bodies under the limit.
            return _Body(receive, None)
        length = headers.get(b"content-length")
        if length is None:
            return _Body(receive, self._body_limit_bytes)
        if not length.isdigit() or len(length) > 18 or int(length) > self._body_limit_bytes:
            raise self._too_large()
        return _Body(receive, None)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body may have {self._body_limit_bytes} bytes; split the request")


class _Body:
    """A request's body, counted if its length was not announced."""

    def __init__(self, receive: Receive, limit_bytes: int | None) -> None:
        self.exceeded = False
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._seen_bytes = 0

    async def receive(self) -> Message:
        """Return the next part; past the limit the client counts as gone."""
        message = await self._receive()
        if self._limit_bytes is not None:
            self._seen_bytes += len(message.get("body", b""))
            if self._seen_bytes > self._limit_bytes:
                self.exceeded = True
                return {"type": "http.disconnect"}
        return message

    def unless_exceeded(self, send: Send) -> Send:
        """Return a `send` that drops what is answered to a body that was broken off."""
        if self._limit_bytes is None:
            return send

        async def sending(message: Message) -> None:
            if not self.exceeded:
                await send(message)

        return sending


def _refuse_ambiguous(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Refuse what could be read in two ways: two Idempotency-Keys, and a body that says it is encoded.

    Raises `InvalidRequest`, `UnsupportedMediaType`.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMediaType("send the body as it is, without a Content-Encoding")
    if sum(name == b"idempotency-key" for name, _ in scope["headers"]) > 1:
        raise InvalidRequest("send one Idempotency-Key header, not several")


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return getattr(route, "path", "unmatched")
