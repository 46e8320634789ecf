"""The edge: what every request passes before a route sees it.

Plain ASGI (https://asgi.readthedocs.io), since it stands on the path of every payment: request id, trace,
authentication, rate limit, the body's size and encoding, metrics, and the count of requests in flight for a graceful
stop.
"""

import re
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import (
    InvalidRequest,
    Problem,
    TenantNotActive,
    Unauthenticated,
    UnsupportedMediaType,
)
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.deadlines import deadline
from bezant.foundation.http.admitting import Gate, Refused
from bezant.foundation.http.answering import always_answered
from bezant.foundation.http.bodies import read_body, replayed, require_json, too_large
from bezant.foundation.http.direct import DirectRequest, DirectRoute
from bezant.foundation.http.problems import exception_response, problem_response
from bezant.foundation.identity.api_keys import ApiKeys
from bezant.foundation.rate_limit import RateLimiter
from bezant.foundation.telemetry import logging as log_context
from bezant.foundation.telemetry.metrics import IN_FLIGHT, REQUEST_SECONDS, REQUESTS

_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._-]{1,64}$")
WITHOUT_KEY = frozenset({"/v1/sign-ins", "/v1/sign-ins/complete"})
"""How people get a session: what they send there is checked by the routes themselves."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose body means something here; that of another method is not looked at."""
_ONCE = {b"idempotency-key": "Idempotency-Key", b"content-type": "Content-Type"}
_GATEWAY_WAITS = b"x-envoy-expected-rq-timeout-ms"
"""How long Envoy waits for the answer
(https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter)."""
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
        internal: Mapping[str, ASGIApp] = MappingProxyType({}),
        gate: Gate | None = None,
        deadline_seconds: float = 10.0,
    ) -> None:
        """`direct` and `internal` routes are called from here, without the framework in between. `gate` decides which
        requests are taken at all; `deadline_seconds` is how long a caller waits at most.
        """
        self._app = app
        self._internal = internal
        self._gate = gate
        self._deadline_seconds = deadline_seconds
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
            await always_answered(self._app, scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.match(given) else str(new_id()).encode()
        if self._gate is None or not scope["path"].startswith("/v1/"):
            await self._handle(scope, headers, request_id, receive, send)
            return
        until = time.monotonic() + _seconds_to_answer(headers, self._deadline_seconds)
        admitted = await self._gate.let_in(scope["method"], headers)
        if isinstance(admitted, Refused):
            await admitted.answer(send, [(b"x-request-id", request_id), *_SECURITY_HEADERS, _NOTHING_TO_LOAD])
            return
        try:
            with deadline(until):
                await self._handle(scope, headers, request_id, receive, send)
        finally:
            admitted.leave()

    async def _handle(
        self, scope: Scope, headers: dict[bytes, bytes], request_id: bytes, receive: Receive, send: Send
    ) -> None:
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

        async def passing(scope: Scope, receive: Receive, send: Send) -> None:
            await self._pass(scope, headers, receive, send)

        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in headers.items()
            if name in (b"traceparent", b"tracestate", b"x-amzn-trace-id")
        }
        try:
            with self._tracer.start_as_current_span(
                f"{scope['method']} {self._service}", context=propagate.extract(carrier), kind=SpanKind.SERVER
            ) as span:
                await always_answered(passing, scope, receive, send_with_headers)
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
        if scope["path"].startswith("/internal/"):
            # Another service's call carries the groups of many tenants, each made of bodies under the limit.
            internal = self._internal.get(scope["path"])
            if internal is not None and scope["method"] == "POST":
                scope["app"], scope["route"] = self._app, _InternalRoute(scope["path"])
                await internal(scope, receive, send)
            else:
                await self._app(scope, receive, send)
            return
        try:
            if scope["path"].startswith("/v1/") and scope["path"] not in WITHOUT_KEY:
                _refuse_ambiguous(scope, headers)
                await self._admit(scope, headers)
            body = await self._body(headers, receive)
            if body and scope["method"] in _WITH_BODY:
                require_json(headers.get(b"content-type", b""), body)
        except Problem as problem:
            await problem_response(problem)(scope, receive, send)
            return
        except ClientDisconnect:
            broken_off = InvalidRequest("the body broke off before its end; nothing was done")
            await problem_response(broken_off)(scope, receive, send)
            return
        route = self._direct.get((scope["method"], scope["path"]))
        if route is None:
            await self._app(scope, replayed(body, receive), send)
        else:
            scope["route"] = route
            response = await self._answer(route, scope, headers, body)
            await response(scope, receive, send)

    async def _answer(self, route: DirectRoute, scope: Scope, headers: dict[bytes, bytes], body: bytes) -> Response:
        try:
            return await route.handler(DirectRequest(scope["bezant.caller"], headers, body))
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

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Return the request's body. Raises `BodyTooLarge`, and `ClientDisconnect` for one that breaks off."""
        length = headers.get(b"content-length")
        announced = length is not None and length.isdigit() and len(length) <= 18
        if length is not None and not (announced and int(length) <= self._body_limit_bytes):
            raise too_large(self._body_limit_bytes)
        return await read_body(receive, self._body_limit_bytes)


class _InternalRoute(NamedTuple):
    path: str


def _refuse_ambiguous(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Refuse what could be read in two ways: a header twice that counts once, and a body that says it is encoded.

    Raises `InvalidRequest`, `UnsupportedMediaType`.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMediaType("send the body as it is, without a Content-Encoding")
    if len(headers) < len(scope["headers"]):
        for once, name in _ONCE.items():
            if sum(given == once for given, _ in scope["headers"]) > 1:
                raise InvalidRequest(f"send one {name} header, not several")


def _seconds_to_answer(headers: dict[bytes, bytes], most: float) -> float:
    """Return how long the caller waits: as long as the gateway says it does, and no longer than `most`."""
    told = headers.get(_GATEWAY_WAITS, b"")
    return min(most, int(told) / 1000) if told.isdigit() and 0 < len(told) <= 9 else most


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return getattr(route, "path", "unmatched")
