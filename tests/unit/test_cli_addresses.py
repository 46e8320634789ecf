"""Where a command finds the gateway, and what it says when nobody or somebody else answers there."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bezant.cli import session
from bezant.cli.keyring import Keyring
from bezant.cli.main import app
from bezant.cli.session import gateway_of
from bezant.local.data_directory import DataDirectory

Answering = Callable[[int, str, str], str]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    Keyring(tmp_path).put("acme", "bz_key_secret")
    return tmp_path


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts a server that answers everything alike, and returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, content_type: str, body: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def bezant(directory: Path, *words: str, **environment: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, words, env={"BEZANT_DATA_DIR": str(directory)} | environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_gateway_is_that_of_the_platform_in_the_data_directory(tmp_path: Path) -> None:
    assert gateway_of(tmp_path, None) == "http://127.0.0.1:8080"
    DataDirectory(tmp_path).keep_gateway_port(31080)
    assert gateway_of(tmp_path, None) == "http://127.0.0.1:31080"
    DataDirectory(tmp_path).keep_gateway_port(31081)
    assert gateway_of(tmp_path, None) == "http://127.0.0.1:31081", "the latest start counts"
    assert gateway_of(tmp_path, "https://api.example.com") == "https://api.example.com"


def test_a_command_asks_the_port_that_the_data_directory_knows(directory: Path, answering: Answering) -> None:
    address = answering(200, "application/json", '{"data": [], "next_cursor": null}')
    DataDirectory(directory).keep_gateway_port(int(address.rpartition(":")[2]))
    assert bezant(directory, "account", "list", "--json") == (0, "[]\n", "")


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.com", "http://", "http://example.com:x", "//example.com"])
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not an address such as"):
        gateway_of(tmp_path, url)


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "text/html", "<!doctype html>\n<html>\n<h1>Welcome</h1>"), (200, "application/json", '{"hello": 1}'),
        (200, "application/json", "[]"), (404, "text/html", "<html>\nnot here"), (502, "text/plain", "no upstream"),
        (403, "application/json", '{"message": "forbidden"}'), (500, "application/json", '"x"'),
        (200, "text/html; charset=latin-1", "\xe9"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_json", [False, True])
def test_a_server_that_is_not_bezant_is_named_in_one_line(
    directory: Path, answering: Answering, monkeypatch: pytest.MonkeyPatch, status: int, content_type: str, body: str,
    as_json: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr("bezant.client.asynchronous.wait_before_next", lambda _attempt, _answer: None)
    address = answering(status, content_type, body)
    words = ["account", "list", "--url", address, *(["--json"] if as_json else [])]
    code, out, err = bezant(directory, *words)
    assert code == 3
    said = json.loads(out)["message"] if as_json else err
    assert said.strip().startswith(f"{'' if as_json else 'bezant: '}{address} does not answer as Bezant does")
    assert f"HTTP status {status}" in said
    assert said.strip().count("\n") == 0
    assert not as_json or json.loads(out)["error"] == "unreadable_answer"


@pytest.mark.parametrize(
    ("command", "as_json"),
    [
        (["account", "list"], False),
        (["account", "list"], True),
        (["audit", "export", "log"], False),
        (["audit", "witness", "--state", "w"], True),
    ],
)
def test_a_port_that_never_answers_is_named_within_seconds(
    directory: Path, silent: str, monkeypatch: pytest.MonkeyPatch, command: list[str], as_json: bool
) -> None:
    monkeypatch.chdir(directory)
    monkeypatch.setattr(session, "_PATIENCE_SECONDS", 0.2)
    began = time.monotonic()
    code, out, err = bezant(directory, *command, "--url", silent, *(["--json"] if as_json else []))
    assert time.monotonic() - began < 10
    assert code == 3
    said = json.loads(out)["message"] if as_json else err.removeprefix("bezant: ")
    assert said.startswith(f"{silent} does not answer (TimeoutError). Is this the gateway's address")
    assert said.strip().count("\n") == 0


def test_a_port_where_nobody_listens_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    code, out, err = bezant(directory, "pay", "list", "--url", address, "--json")
    assert (code, err) == (3, "")
    assert json.loads(out)["error"] == "no_answer"
    assert json.loads(out)["message"].startswith(f"{address} does not answer")
