"""The edge on real HTTP: problems, limits, headers, probes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import aiohttp
import psycopg
import pytest
from fastapi import APIRouter, Depends, Request
from prometheus_client import REGISTRY
from pydantic import BaseModel, ConfigDict
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from bezant.contracts.problems import BodyTooLarge, Conflict, Problem, TenantUnavailable
from bezant.foundation.http import require
from bezant.foundation.http.answering import always_answered
from bezant.foundation.http.bodies import read_body
from bezant.foundation.http.problems import exception_response
from bezant.foundation.idempotency import required_key
from bezant.foundation.identity.api_keys import Caller

from ..stores.fixtures import Stores
from ..stores.http import Api, serving

PLANTED = "planted-detail"


class Thing(BaseModel):
    """A body."""

    model_config = ConfigDict(extra="forbid")

    name: str
    size: int


def _router() -> APIRouter:
    router = APIRouter()

    @router.post("/v1/things")
    async def make(body: Thing, caller: Annotated[Caller, Depends(require("accounts:write"))]) -> dict[str, str]:
        return {"tenant": str(caller.tenant)}

    @router.post("/v1/keyed")
    async def keyed(key: Annotated[str, Depends(required_key)]) -> dict[str, str]:
        return {"key": key}

    @router.post("/internal/v1/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    @router.get("/v1/things/{thing_id}")
    async def fail(thing_id: str, request: Request) -> None:
        raise {
            "conflict": Conflict("it is taken", holder="x", retry_after_seconds=3),
            "unavailable": TenantUnavailable("down", retry_after_seconds=2),
            "defect": KeyError(PLANTED),
            "lost": psycopg.OperationalError(PLANTED),
            "slow": psycopg.errors.QueryCanceled(PLANTED),
            "broken": psycopg.errors.UndefinedTable(PLANTED),
        }[thing_id]

    return router


@pytest.fixture
async def api(stores: Stores) -> AsyncIterator[Api]:
    async with serving("account", [_router()], stores) as running:
        yield running


@pytest.fixture
async def key(api: Api, tenant: UUID) -> str:
    return api.keys.give(tenant)


async def _raw(api: Api, request: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Send bytes as they are and return status, headers and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.base_url.rsplit(":", 1)[1]))
    writer.write(request)
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    writer.close()
    return int(status.split()[1]), headers, body


def _problem(body: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body)
    assert {"type", "title", "status", "code", "detail"} <= document.keys()
    assert document["type"].endswith(document["code"])
    return document


@pytest.mark.parametrize(
    ("what", "status", "code", "retry_after"),
    [
        ("conflict", 409, "conflict", "3"), ("unavailable", 503, "tenant_unavailable", "2"),
        ("defect", 500, "internal_error", None), ("lost", 503, "tenant_unavailable", "2"),
        ("slow", 503, "tenant_unavailable", "2"), ("broken", 500, "internal_error", None),
    ],
)  # fmt: skip
async def test_every_exception_is_a_problem_without_its_inside(
    api: Api, key: str, what: str, status: int, code: str, retry_after: str | None
) -> None:
    headers = {"authorization": f"Bearer {key}"}
    async with api.session.get(f"{api.base_url}/v1/things/{what}", headers=headers) as response:
        raw = await response.read()
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers.get("retry-after") == retry_after
    document = _problem(raw)
    assert (response.status, document["status"], document["code"]) == (status, status, code)
    assert PLANTED.encode() not in raw
    if what == "conflict":
        assert document["holder"] == "x"


async def _answers(api: Api, *requests: bytes) -> list[int]:
    """Send requests one after the other on one connection; return the statuses until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.base_url.rsplit(":", 1)[1]))
    statuses = []
    for request in requests:
        writer.write(request)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
        assert b"connection: close" not in head.lower()
        statuses.append(int(head.split()[1]))
    writer.close()
    return statuses


async def test_an_unforeseen_error_leaves_the_connection_to_the_next_request(api: Api, key: str) -> None:
    """The gateway keeps connections: one that was closed after an answer would fail an innocent request."""
    head = f"host: x\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    ask = {what: f"GET /v1/things/{what} HTTP/1.1\r\n".encode() + head for what in ("defect", "broken", "conflict")}
    sent = [ask[what] for what in ("defect", "conflict", "broken", "defect", "conflict")]
    assert await _answers(api, *sent) == [500, 409, 500, 500, 409]


async def test_an_unforeseen_error_before_any_route_is_a_problem_and_leaves_the_connection(
    api: Api, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defect(_authorization: str | None) -> Caller:
        raise KeyError(PLANTED)

    request = f"GET /v1/things/conflict HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    with monkeypatch.context() as patched:
        patched.setattr(api.keys, "authenticate", defect)
        assert await _answers(api, request, request) == [500, 500]
        status, headers, body = await _raw(api, request)
        assert (status, _problem(body)["code"]) == (500, "internal_error")
        assert headers[b"x-request-id"]
    assert await _answers(api, request) == [409]


async def test_an_answer_that_cannot_be_finished_breaks_the_connection() -> None:
    """A client must not take half of an answer for the whole."""
    sent: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise KeyError(PLANTED)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(KeyError):
        await always_answered(app, {"type": "http", "method": "GET", "path": "/"}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200), ("Application/JSON", 200), ("APPLICATION/JSON ; Charset=UTF-8", 200),
        ("application/json;charset=utf-8", 200), ("application/jsonx", 415), ("application/json-seq", 415),
        ("application/problem+json", 415), ("text/json", 415), ("text/plain", 415), ("json", 415), ("", 415),
        ("application/json, application/json", 415),
    ],
)  # fmt: skip
async def test_a_media_type_is_compared_by_its_name_alone(api: Api, key: str, content_type: str, status: int) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": content_type}
    body = b'{"name": "x", "size": 1}'
    async with api.session.post(f"{api.base_url}/v1/things", data=body, headers=headers) as response:
        assert response.status == status, await response.text()
        assert status == 200 or _problem(await response.read())["code"] == "unsupported_media_type"


async def test_a_body_without_a_media_type_is_refused_and_no_body_needs_none(api: Api, key: str) -> None:
    head = f"host: x\r\nidempotency-key: a\r\nauthorization: Bearer {key}\r\n"
    for body, expected in ((b"{}", 415), (b"", 200)):
        request = f"POST /v1/keyed HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body
        assert (await _raw(api, request))[0] == expected


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "latin-1"]
)
async def test_json_in_another_encoding_than_utf_8_is_refused(api: Api, key: str, encoding: str) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    body = '{"name": "é", "size": 1}'.encode(encoding)
    async with api.session.post(f"{api.base_url}/v1/things", data=body, headers=headers) as response:
        assert response.status == 400
        assert "RFC 8259" in _problem(await response.read())["detail"]


async def test_what_is_wrong_with_a_body_is_named_by_place_and_not_quoted(api: Api, key: str) -> None:
    status, document = await api.call(key, "POST", "/v1/things", {"size": PLANTED, "x": PLANTED})
    assert (status, document["code"]) == (400, "invalid_request")
    assert {error["place"] for error in document["errors"]} == {"body.name", "body.size", "body.x"}
    assert PLANTED not in json.dumps(document)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"), ("DELETE", "/v1/things", 405, "method_not_allowed"),
        ("HEAD", "/v1/things", 405, None), ("POST", "/v1/things/", 404, "not_found"),
        ("GET", "/v1/../livez", 404, None),
    ],
)  # fmt: skip
async def test_what_no_route_answers_is_a_problem_too(
    api: Api, key: str, method: str, path: str, status: int, code: str | None
) -> None:
    request = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    if method == "HEAD":
        async with api.session.head(api.base_url + path, headers={"authorization": f"Bearer {key}"}) as response:
            assert response.status == status
        return
    answered, _, body = await _raw(api, request.encode())
    assert answered == status
    if code is not None:
        assert _problem(body)["code"] == code


async def test_nothing_is_answered_without_a_key(api: Api) -> None:
    for header in (None, "", "Bearer", "Bearer nonsense", "Basic eDp5"):
        async with api.session.get(
            f"{api.base_url}/v1/things/conflict", headers={} if header is None else {"authorization": header}
        ) as response:
            assert response.status == 401
            assert response.headers["www-authenticate"] == "Bearer"


async def test_a_key_without_the_scope_is_refused_before_the_body_is_looked_at_further(api: Api, tenant: UUID) -> None:
    reader = api.keys.give(tenant, "accounts:read")
    status, document = await api.call(reader, "POST", "/v1/things", {"name": "x", "size": 1})
    assert (status, document["code"]) == (403, "forbidden")
    assert "accounts:write" in document["detail"]


async def test_a_body_that_says_it_is_too_large_is_refused_unread(api: Api, key: str) -> None:
    for length in (b"1048577", b"9" * 19):
        status, _, body = await _raw(
            api,
            b"POST /v1/things HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key.encode()
            + b"\r\ncontent-type: application/json\r\ncontent-length: " + length + b"\r\n\r\n",
        )  # fmt: skip
        assert (status, _problem(body)["code"]) == (413, "body_too_large")


async def test_a_body_in_chunks_is_counted(api: Api, key: str) -> None:
    async def chunks(count: int) -> AsyncIterator[bytes]:
        yield b'{"size": 1, "name": "'
        for _ in range(count):
            yield b"x" * 65536
        yield b'"}'

    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    for count, expected in ((3, 200), (17, 413)):
        async with api.session.post(f"{api.base_url}/v1/things", data=chunks(count), headers=headers) as response:
            assert response.status == expected, await response.text()


async def test_calls_between_services_carry_more_than_a_clients_body(api: Api) -> None:
    async with api.session.post(f"{api.base_url}/internal/v1/size", data=b"x" * (3 << 20)) as response:
        assert (response.status, await response.json()) == (200, 3 << 20)


async def test_a_body_that_breaks_off_is_never_acted_on() -> None:
    def arriving(*messages: Message) -> Receive:
        remaining = list(messages)

        async def receive() -> Message:
            return remaining.pop(0)

        return receive

    first, last = (
        {"type": "http.request", "body": body, "more_body": more} for body, more in ((b"{}", True), (b" ", False))
    )
    assert await read_body(arriving(first, last), 3) == b"{} "
    with pytest.raises(BodyTooLarge):
        await read_body(arriving(first, last), 2)
    with pytest.raises(ClientDisconnect):
        await read_body(arriving(first, {"type": "http.disconnect"}), 3)


async def test_two_idempotency_keys_are_refused(api: Api, key: str) -> None:
    """A proxy that adds one of its own must not decide which of them counts."""
    headers = [("authorization", f"Bearer {key}"), ("idempotency-key", "a"), ("idempotency-key", "b")]
    async with api.session.post(f"{api.base_url}/v1/keyed", headers=headers) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (400, "invalid_request")


async def test_a_request_id_is_kept_if_it_is_one_and_made_if_not(api: Api, key: str) -> None:
    for given, kept in (("abc-1._X", True), ("x" * 65, False), ("a b", False), ("é", False)):
        headers = {"authorization": f"Bearer {key}", "x-request-id": given}
        async with api.session.get(f"{api.base_url}/v1/things/conflict", headers=headers) as response:
            answered = response.headers["x-request-id"]
        assert (answered == given) == kept
        assert kept or UUID(answered).version == 7
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_probes_and_metrics_need_no_key_and_count_nothing(api: Api, key: str) -> None:
    for path, status in (("/livez", 200), ("/startupz", 200), ("/readyz", 200), ("/metrics", 200)):
        async with api.session.get(api.base_url + path) as response:
            assert response.status == status
    assert 'route="/livez"' not in await _metrics(api)


async def _metrics(api: Api) -> str:
    async with api.session.get(f"{api.base_url}/metrics") as response:
        return await response.text()


async def test_requests_are_counted_by_route_status_and_tenant(api: Api, key: str, tenant: UUID) -> None:
    def counted(route: str, method: str, status: int) -> float:
        labels = {"route": route, "method": method, "status": str(status), "tenant": str(tenant), "service": "account"}
        return REGISTRY.get_sample_value("bezant_http_requests_total", labels) or 0.0

    expected = [("/v1/things", "POST", 200), ("/v1/things/{thing_id}", "GET", 409), ("unmatched", "GET", 404)]
    before = [counted(*labels) for labels in expected]
    await api.call(key, "POST", "/v1/things", {"name": "x", "size": 1})
    await api.call(key, "GET", "/v1/things/conflict")
    await api.call(key, "GET", "/v1/nowhere/" + "x" * 50)
    assert [counted(*labels) for labels in expected] == [count + 1 for count in before]
    assert "xxxxxxxxxx" not in await _metrics(api), "paths of requests are no labels"


async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_no_error(
    api: Api, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(api.base_url.rsplit(":", 1)[1]))
    writer.write(
        b"POST /v1/things HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key.encode()
        + b"\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    )  # fmt: skip
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    status, _ = await api.call(key, "GET", "/v1/things/conflict")
    assert status == 409
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_problem_carries_only_what_it_was_given() -> None:
    document = Problem("nothing more").document()
    assert document == {
        "type": "https://bezant.dev/problems/internal_error", "title": "Something went wrong on our side",
        "status": 500, "code": "internal_error", "detail": "nothing more",
    }  # fmt: skip
    forged = Conflict("x", status=200, code="fine", type="y", title="z").document()
    assert (forged["status"], forged["code"]) == (409, "conflict"), "extensions never replace what the type says"
    assert exception_response(aiohttp.ClientError(PLANTED), "GET", "/x").status_code == 500
