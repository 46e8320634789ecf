"""Stand-ins and helpers of the local platform's tests."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from bezant.local.data_directory import DataDirectory
from bezant.local.options import ExternalParts, PlatformOptions
from bezant.local.plan import ProbeResult, ProcessSpec
from bezant.local.ports import free_base
from bezant.local.wire import http_request

BLOCK = 451
"""A platform's block, and the gateway's port after it."""

STAND_IN = """
import http.server, os, signal, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.endswith("/slow"):
            time.sleep(0.4)
        body = b"\\n".join([os.environ["NAME"].encode(), self.path.encode(), str(self.headers).encode()])
        _, _, reason = self.path.partition("/refused-as-")
        self.send_response(503 if os.environ.get("NEVER_READY") or reason else 200)
        if reason:
            self.send_header("x-bezant-refused", reason)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(0.02)
server.server_close()
"""


def free_block(taken: set[int]) -> int:
    """Return a base whose block of ports is free, and take it."""
    base = free_base(taken)
    taken.add(base)
    return base


def infrastructure(data_dir: Path, base: int) -> PlatformOptions:
    """A platform without services."""
    return PlatformOptions(data_dir=str(data_dir), gateway_port=base + BLOCK - 1, port_base=base, services=())


def without_valkey(data_dir: Path, base: int) -> PlatformOptions:
    """As above, without the cluster: for the tests that do not need it, because its start takes 2 s."""
    return msgspec.structs.replace(infrastructure(data_dir, base), external=ExternalParts(valkey_nodes="127.0.0.1:1"))


def stand_in(directory: DataDirectory, name: str, port: int | None, **changes: object) -> ProcessSpec:
    """A process in place of a service: answers every path with its name, the path and the headers it got."""

    async def probe(_pid: int) -> ProbeResult:
        try:
            assert port is not None
            status, body = await http_request(port, "/readyz")
        except (OSError, EOFError, ValueError) as error:
            return ProbeResult(False, str(error))
        return ProbeResult(status == 200, "" if status == 200 else body.decode().split("\n")[0])

    settings: dict[str, object] = {
        "name": name,
        "role": "stand-in",
        "command": [sys.executable, "-S", "-c", STAND_IN, str(port)],
        "environment": {"NAME": name},
        "probe": probe,
        "log_path": directory.log(name),
        "version": "1",
        "port": port,
    }
    return ProcessSpec(**(settings | changes))  # type: ignore[arg-type]


async def eventually(condition: Callable[[], bool], within_seconds: float = 10) -> None:
    async with asyncio.timeout(within_seconds):
        while not condition():  # noqa: ASYNC110  what is waited for happens in another process
            await asyncio.sleep(0.01)
