"""Requests that no client of ours would send: answered with a problem that says what is wrong, and nothing done."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from importlib import resources
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from bezant.local.platform import LocalPlatform

from .conftest import TestTenant, make_tenant


@pytest.fixture(scope="module")
async def tenant(platform: LocalPlatform, admin_key: str) -> AsyncIterator[TestTenant]:
    """A tenant of this module's own: so many payments would look like an attack among the others' tests."""
    made = await make_tenant(platform, admin_key)
    yield made
    await made.client.close()


async def _send(tenant: TestTenant, request: bytes, *, half_closed_after: bool = False) -> tuple[int, dict[str, Any]]:
    """Send bytes as they are; return the status and the decoded body of the first answer."""
    gateway = urlsplit(tenant.url)
    reader, writer = await asyncio.open_connection(gateway.hostname, gateway.port)
    writer.write(request)
    if half_closed_after:
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        return 0, {}
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    writer.close()
    return int(status.split()[1]), json.loads(body) if body else {}


def _request(
    tenant: TestTenant, line: str, *headers: str, body: bytes = b"", length: bool = True, key: str | None = None
) -> bytes:
    common = [
        f"{line}", "host: bezant", f"authorization: Bearer {tenant.api_key}", "content-type: application/json",
        f"idempotency-key: {key or uuid4()}", *headers,
    ]  # fmt: skip
    if length:
        common.append(f"content-length: {len(body)}")
    return "\r\n".join(common).encode("latin-1") + b"\r\n\r\n" + body


@pytest.fixture
def order(tenant: TestTenant) -> bytes:
    return json.dumps(tenant.order("bank", "alice", 1)).encode()


PAY = "POST /v1/payments HTTP/1.1"
LIST = "GET /v1/payments?limit=1 HTTP/1.1"


@pytest.mark.parametrize(
    ("line", "headers", "status", "code"),
    [
        ("POST /v1/payments HTTP/1.0", [], 426, "http_version_not_supported"),
        (PAY, ["idempotency-key: another"], 400, "invalid_request"),
        (PAY, ["authorization: Bearer another"], 401, "unauthenticated"),
        (PAY, ["content-length: 3"], 400, "malformed_http"),
        (PAY, ["transfer-encoding: chunked"], 400, "malformed_http"),
        (PAY, ["content-encoding: gzip"], 415, "unsupported_media_type"),
        (PAY, ["idempotency_key: x"], 400, "malformed_http"),
        (PAY, ["x : y"], 400, "malformed_http"),
        (PAY, ["x: a\x00b"], 400, "malformed_http"),
        (PAY, ["x: " + "a" * 40_000], 431, "headers_too_large"),
        (LIST, ["connection: upgrade", "upgrade: websocket"], 403, "upgrade_refused"),
        ("FOO /v1/payments HTTP/1.1", [], 400, "malformed_http"),
        ("TRACE /v1/payments HTTP/1.1", [], 405, "method_not_allowed"),
        ("PATCH /v1/payments HTTP/1.1", [], 405, "method_not_allowed"),
        ("GET /v1/payments/ HTTP/1.1", [], 404, "not_found"),
        ("GET /v1/payments%00 HTTP/1.1", [], 400, "malformed_http"),
        ("GET /v1/payments/..%2f..%2fmetrics HTTP/1.1", [], 400, "malformed_http"),
        ("GET /v1/payments/%2e%2e/%2e%2e/metrics HTTP/1.1", [], 404, "not_found"),
        ("GET /v1/payments/../../internal/v1/ledger/commands HTTP/1.1", [], 404, "not_found"),
        ("GET /static-offline-docs/../../../etc/passwd HTTP/1.1", [], 404, "not_found"),
    ],
)  # fmt: skip
async def test_a_request_that_is_not_well_formed_is_a_problem_that_says_so(
    tenant: TestTenant, order: bytes, line: str, headers: Sequence[str], status: int, code: str
) -> None:
    key = str(uuid4())
    body = order if line.startswith("POST") else b""
    answered, problem = await _send(tenant, _request(tenant, line, *headers, body=body, key=key))
    assert (answered, problem["code"]) == (status, code), problem
    assert problem["detail"]
    looked_up, _ = await _send(tenant, _request(tenant, f"GET /v1/idempotency/{key} HTTP/1.1"))
    assert looked_up == 404, "nothing was recorded"


async def test_a_body_in_an_unknown_coding_is_refused(tenant: TestTenant) -> None:
    request = _request(tenant, PAY, "transfer-encoding: gzip, chunked", body=b"0\r\n\r\n", length=False)
    status, problem = await _send(tenant, request)
    assert (status, problem["code"]) == (501, "transfer_coding_not_supported"), "as RFC 9112 section 6.1 has it"


async def test_a_body_byte_by_byte_is_a_body(tenant: TestTenant, order: bytes) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in order) + b"0\r\n\r\n"
    status, payment = await _send(
        tenant, _request(tenant, PAY, "transfer-encoding: chunked", body=chunks, length=False)
    )
    assert (status, payment["status"]) == (201, "captured")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_breaks_off_after_valid_json_is_not_acted_on(
    tenant: TestTenant, order: bytes, chunked: bool
) -> None:
    key = str(uuid4())
    if chunked:
        body = b"%x\r\n%s\r\n" % (len(order), order)
        request = _request(tenant, PAY, "transfer-encoding: chunked", body=body, length=False, key=key)
    else:
        request = _request(tenant, PAY, "content-length: 1000", body=order, length=False, key=key)
    await _send(tenant, request, half_closed_after=True)
    # a request that comes after it on the same route has been answered when this is
    assert (await _send(tenant, _request(tenant, PAY, body=order)))[0] == 201
    status, _ = await _send(tenant, _request(tenant, f"GET /v1/idempotency/{key} HTTP/1.1"))
    assert status == 404


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b"NaN", b'{"amount": NaN}', b"9" * 10_000,
        b"\xff\xfe{}", b'{"\\u0000": 1}', b'{"reference": "\\ud800"}', b"{}" + b" " * 900_000,
        b'{"amount": {"amount_minor": 1e999}}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/payments", "/v1/payments/batch", "/v1/accounts", "/v1/webhook-endpoints"])
async def test_json_that_is_none_or_too_much_is_a_400(tenant: TestTenant, path: str, body: bytes) -> None:
    status, problem = await _send(tenant, _request(tenant, f"POST {path} HTTP/1.1", body=body))
    assert (status, problem["code"]) == (400, "invalid_request")


_DOCUMENT = json.loads(resources.files("bezant.contracts").joinpath("openapi.json").read_text("utf-8"))
_WITH_A_BODY = sorted(
    f"{method.upper()} {re.sub('{[^}]*}', str(UUID(int=7)), path)}"
    for path, operations in _DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if "requestBody" in operation
)


@pytest.mark.parametrize("operation", _WITH_A_BODY)
async def test_every_route_reads_json_in_utf_8_alone(tenant: TestTenant, order: bytes, operation: str) -> None:
    line = f"{operation} HTTP/1.1"
    text = json.dumps({"payments": [json.loads(order)]} if "batch" in operation else json.loads(order))
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        status, problem = await _send(tenant, _request(tenant, line, body=text.encode(encoding)))
        assert (status, problem["code"]) == (400, "invalid_request"), encoding
        assert (await _send(tenant, _request(tenant, PAY, body=order)))[0] == 201, "an innocent neighbour"


@pytest.mark.parametrize("operation", _WITH_A_BODY)
async def test_every_route_compares_media_types_by_their_names(
    tenant: TestTenant, order: bytes, operation: str
) -> None:
    request = _request(tenant, f"{operation} HTTP/1.1", body=order)
    for given, refused in (("Application/JSON", False), ("application/jsonx", True), ("text/plain", True)):
        sent = request.replace(b"content-type: application/json", f"content-type: {given}".encode())
        status, _ = await _send(tenant, sent)
        assert (status == 415) == refused, (given, status)
        assert status < 500


async def test_cursors_of_other_lists_and_of_nobody_are_refused(tenant: TestTenant) -> None:
    statement = f"/v1/accounts/{tenant.accounts['alice']}/statement"
    payments = (await tenant.client.get("/v1/payments", limit=1))["next_cursor"]
    for path, cursor in ((statement, payments), ("/v1/payments", payments + "A"), ("/v1/accounts", "%FF"),
                         ("/v1/audit/entries", payments), ("/v1/transfers", "x" * 3000)):  # fmt: skip
        status, problem = await _send(tenant, _request(tenant, f"GET {path}?limit=2&cursor={cursor} HTTP/1.1"))
        assert (status, problem["code"]) == (400, "invalid_cursor"), path
