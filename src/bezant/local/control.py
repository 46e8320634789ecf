"""The supervisor's control socket: a Unix socket in the data directory, of which the mode keeps others out.

One connection is one request: a line of JSON, answered by one line, or for `watch` by a line for each change. What
can ask is the commands `status`, `down` and `logs`, tests, and whatever else runs as the same account.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bezant.contracts.json_text import UNREADABLE
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import NotRunning, PlatformError, StartFailed
from bezant.local.plan import AddedReplica
from bezant.local.status import PlatformState, PlatformStatus
from bezant.local.supervisor import Supervisor

_log = structlog.get_logger("control")


class Status(msgspec.Struct, tag="status"):
    """Answer the state once."""


class Watch(msgspec.Struct, tag="watch"):
    """Answer the state now and after each change, until the platform has stopped."""


class Down(msgspec.Struct, tag="down"):
    """Stop the platform; answer the state after each change until it has stopped."""


class Stop(msgspec.Struct, tag="stop"):
    """Stop one process and leave it stopped."""

    process: str


class Start(msgspec.Struct, tag="start"):
    """Start a stopped process. `environment` replaces the settings that an earlier request added."""

    process: str
    environment: dict[str, str] | None = None


class Restart(msgspec.Struct, tag="restart"):
    """Stop one process gracefully and start it again."""

    process: str
    environment: dict[str, str] | None = None


class Signal(msgspec.Struct, tag="signal"):
    """Send a signal to one process."""

    process: str
    number: int


class Add(msgspec.Struct, tag="add"):
    """Start one more replica of a service."""

    replica: AddedReplica


class Remove(msgspec.Struct, tag="remove"):
    """Stop a replica of a service gracefully, and forget it."""

    process: str


class Split(msgspec.Struct, tag="split"):
    """Split a service's requests over its arms."""

    service: str
    weights: dict[str, int]


Request = Status | Watch | Down | Stop | Start | Restart | Signal | Add | Remove | Split


class Refusal(msgspec.Struct, tag="refusal"):
    """The request could not be carried out."""

    code: str
    message: str


class Answer(msgspec.Struct, tag="answer"):
    """The state after the request."""

    status: PlatformStatus


_request_decoder = msgspec.json.Decoder(Request)
_answer_decoder = msgspec.json.Decoder(Answer | Refusal)
_LONGEST_LINE: Final = 4 * 1024 * 1024


@contextmanager
def _short_path(directory: DataDirectory) -> Iterator[str]:
    """Give the socket a path that fits: an address holds 107 bytes, and a data directory may lie deeper than that."""
    descriptor = os.open(directory.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{directory.control_socket_name}"
    finally:
        os.close(descriptor)


class ControlServer:
    """Answers requests for one supervisor."""

    def __init__(self, supervisor: Supervisor, directory: DataDirectory) -> None:
        self._supervisor = supervisor
        self._directory = directory
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen. The directory's lock must be held: a socket that lies there is a dead supervisor's."""
        (self._directory.root / self._directory.control_socket_name).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _short_path(self._directory) as path:
            listener.bind(path)
        (self._directory.root / self._directory.control_socket_name).chmod(0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_LONGEST_LINE)

    async def close(self) -> None:
        """Stop listening, after the answers under way have been sent."""
        if self._server is not None:
            self._server.close()
        (self._directory.root / self._directory.control_socket_name).unlink(missing_ok=True)
        if self._connections:
            await asyncio.wait(self._connections, timeout=2)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._answer(_request_decoder.decode(await reader.readline()), writer)
        except UNREADABLE as error:
            await _send(writer, Refusal(code="invalid_request", message=str(error)))
        except PlatformError as error:
            await _send(writer, Refusal(code=error.code, message=str(error)))
        except ConnectionError:
            return  # who asked has gone
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        supervisor = self._supervisor
        match request:
            case Watch():
                await self._stream(writer)
                return
            case Down():
                _log.info("stop requested")
                stopping = asyncio.create_task(supervisor.stop())
                await self._stream(writer)
                await stopping
                return
            case Stop(process):
                await supervisor.stop_process(process)
            case Start(process, environment):
                await supervisor.start_process(process, environment)
            case Restart(process, environment):
                await supervisor.restart_process(process, environment)
            case Signal(process, number):
                supervisor.signal_process(process, signal.Signals(number))
            case Add(replica):
                await supervisor.add_replica(replica)
            case Remove(process):
                await supervisor.remove_replica(process)
            case Split(service, weights):
                await supervisor.split_traffic(service, weights)
            case Status():
                pass
        await _send(writer, Answer(status=supervisor.status()))

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        changed = asyncio.Event()
        changed.set()
        unsubscribe = self._supervisor.subscribe(changed.set)
        try:
            over = False
            while not over:
                await changed.wait()
                changed.clear()
                over = self._supervisor.stopped.is_set()
                await _send(writer, Answer(status=self._supervisor.status()))
        finally:
            unsubscribe()


async def _send(writer: asyncio.StreamWriter, message: Answer | Refusal) -> None:
    writer.write(msgspec.json.encode(message) + b"\n")
    await writer.drain()


class ControlClient:
    """Asks the supervisor of a data directory. Blocking; one connection for each request."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory

    def ask(self, request: Request, timeout_seconds: float = 60.0) -> PlatformStatus:
        """Return the state after the request. Raises `NotRunning`, `PlatformError` when it is refused."""
        for status in self._exchange(request, timeout_seconds):
            return status
        raise StartFailed(f"the supervisor of {self._directory.root} ended the request without an answer; see its log")

    def watch(self, request: Watch | Down, timeout_seconds: float = 120.0) -> Iterator[PlatformStatus]:
        """Yield each state until the platform has stopped. `timeout_seconds` bounds the wait for each change."""
        for status in self._exchange(request, timeout_seconds):
            yield status
            if status.state is PlatformState.STOPPED:
                return

    def _exchange(self, request: Request, timeout_seconds: float) -> Iterator[PlatformStatus]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_seconds)
            try:
                with _short_path(self._directory) as path:
                    connection.connect(path)
                connection.sendall(msgspec.json.encode(request) + b"\n")
                with connection.makefile("rb") as lines:
                    for line in lines:
                        yield _status(line)
            except (FileNotFoundError, ConnectionError) as error:
                raise NotRunning(not_running(self._directory.root)) from error
            except TimeoutError as error:
                raise StartFailed(
                    f"the supervisor of {self._directory.root} did not answer within {timeout_seconds:.0f} s"
                ) from error


def _status(line: bytes) -> PlatformStatus:
    message: Answer | Refusal = _answer_decoder.decode(line)
    if isinstance(message, Refusal):
        for kind in PlatformError.__subclasses__():
            if kind.code == message.code:
                raise kind(message.message)
        raise PlatformError(message.message)
    return message.status


def not_running(root: Path) -> str:
    """Return the sentence for a data directory without a running platform."""
    return f"no platform runs in {root}; start it with `bezant up`, or name its directory with --data-dir"
