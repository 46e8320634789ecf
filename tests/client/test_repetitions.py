"""Both clients against a server that breaks off, refuses and then answers: what is sent again, and with which key."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import pytest
import urllib3

from bezant.client import ApiProblem, BezantClient, BezantSyncClient
from bezant.client import requests as client_requests

BREAK_OFF = -1
Ask = Callable[[Callable[[Any], Any]], Any]


@dataclass
class Server:
    """Answers with the given statuses one after another, then with 200; -1 breaks the connection."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    seen: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)
    pages: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            state.seen.append((self.command, self.path, self.headers.get("idempotency-key"), body))
            status = state.statuses.pop(0) if state.statuses else 200
            if status == BREAK_OFF:
                self.connection.close()
                self.close_connection = True
                return
            document = state.pages.get(self.path, {"ok": True}) if status < 400 else {"code": "c", "detail": "d"}
            raw = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            if status == 429:
                self.send_header("retry-after", "0")
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, *args: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    state.url = f"http://127.0.0.1:{running.server_port}"
    yield state
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(params=["asynchronous", "synchronous"])
def ask(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Carries out one call on either client."""
    monkeypatch.setattr(client_requests, "_LONGEST_WAIT_SECONDS", 0.01)

    def asynchronously(call: Callable[[Any], Any]) -> Any:
        async def run() -> Any:
            async with BezantClient(server.url, "bz_a_b") as client:
                answer = call(client)
                return [item async for item in answer] if hasattr(answer, "__aiter__") else await answer

        return asyncio.run(run())

    def synchronously(call: Callable[[Any], Any]) -> Any:
        with BezantSyncClient(server.url, "bz_a_b") as client:
            answer = call(client)
            return list(answer) if hasattr(answer, "__next__") else answer

    return asynchronously if request.param == "asynchronous" else synchronously


def test_a_post_is_repeated_with_the_same_key_and_body(server: Server, ask: Ask) -> None:
    server.statuses = [BREAK_OFF, 503, 429, 502]
    assert ask(lambda client: client.payments.create({"reference": "x"})) == {"ok": True}
    assert len(server.seen) == 5
    (method, path, key, body) = server.seen[0]
    assert (method, path, json.loads(body)) == ("POST", "/v1/payments", {"reference": "x"})
    assert key
    assert set(server.seen) == {server.seen[0]}


def test_the_callers_key_is_sent(server: Server, ask: Ask) -> None:
    ask(lambda client: client.payments.create({}, idempotency_key="order-1"))
    ask(lambda client: client.post("/v1/payments", {}, key="order-2"))
    assert [key for _, _, key, _ in server.seen] == ["order-1", "order-2"]


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
def test_a_refusal_is_not_repeated(server: Server, ask: Ask, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(ApiProblem) as raised:
        ask(lambda client: client.accounts.freeze("a"))
    assert (raised.value.status, raised.value.code, raised.value.detail) == (status, "c", "d")
    assert len(server.seen) == 1


def test_attempts_are_bounded(server: Server, ask: Ask) -> None:
    server.statuses = [503] * 20
    with pytest.raises(ApiProblem, match="503"):
        ask(lambda client: client.ledger.get_check())
    assert len(server.seen) == client_requests.ATTEMPTS
    server.statuses = [BREAK_OFF] * 20
    with pytest.raises((aiohttp.ClientError, urllib3.exceptions.HTTPError)):
        ask(lambda client: client.ledger.get_check())


def test_pages_are_followed_and_filters_kept(server: Server, ask: Ask) -> None:
    server.pages = {
        "/v1/accounts?limit=2&status=open": {"data": [1, 2], "next_cursor": "c/1"},
        "/v1/accounts?limit=2&status=open&cursor=c%2F1": {"data": [3], "next_cursor": None},
    }
    assert ask(lambda client: client.accounts.iterate(status="open", limit=2)) == [1, 2, 3]


def test_parameters_stay_one_segment(server: Server, ask: Ask) -> None:
    ask(lambda client: client.email_templates.delete("a/b?c"))
    assert server.seen[0][1] == "/v1/email-templates/a%2Fb%3Fc"


def test_a_key_with_a_slash_is_asked_for_in_the_query(server: Server, ask: Ask) -> None:
    ask(lambda client: client.idempotency.get("b1/0 ../a?b&c=%2F+d"))
    assert server.seen[0][1] == "/v1/idempotency?key=b1%2F0+..%2Fa%3Fb%26c%3D%252F%2Bd"
