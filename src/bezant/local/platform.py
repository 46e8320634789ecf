"""Start, ask and stop a local platform from Python: for tests, benchmarks and the demo.

    with LocalPlatform(PlatformOptions(data_dir="/tmp/x")) as platform:
        requests.get(platform.url + "/docs")

The supervisor is a process of its own. It ends with its owner, unless it was detached: a test run that is killed
leaves nothing behind.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import IO, Self

import msgspec

from bezant.local import control
from bezant.local.control import ControlClient
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import NotRunning, PlatformError, StartFailed
from bezant.local.options import PlatformOptions
from bezant.local.plan import AddedReplica
from bezant.local.ports import HOST
from bezant.local.status import PlatformState, PlatformStatus, ProcessStatus
from bezant.local.supervise import Failure, SuperviseRequest

OnChange = Callable[[PlatformStatus], None]


class LocalPlatform:
    """One local platform. Methods block; from an event loop call them through `asyncio.to_thread`."""

    def __init__(self, options: PlatformOptions) -> None:
        self.options = options
        self.directory = DataDirectory(options.directory)
        self._client = ControlClient(self.directory)
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The gateway's address, without a slash at the end."""
        return f"http://{HOST}:{self.options.gateway_port}"

    def start(self, *, detach: bool = False, on_change: OnChange | None = None, timeout_seconds: float = 120) -> Self:
        """Start everything and return when it is ready. Raises `PlatformError` with the cause when it is not."""
        request = SuperviseRequest(options=self.options, until_end_of_input=not detach)
        self._supervisor = subprocess.Popen(
            [sys.executable, "-m", "bezant.local.supervise"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        owner = self._supervisor.stdin
        assert owner is not None
        owner.write(msgspec.json.encode(request) + b"\n")
        owner.flush()
        if detach:
            owner.close()
        try:
            self._wait_until_ready(time.monotonic() + timeout_seconds, on_change)
        except BaseException:
            if self._supervisor.poll() is None:
                self._supervisor.terminate()
            raise
        if detach:
            self._let_go(self._supervisor.stderr)
        return self

    @staticmethod
    def _let_go(stderr: IO[bytes] | None) -> None:
        if stderr is not None:
            stderr.close()

    def _wait_until_ready(self, deadline: float, on_change: OnChange | None) -> None:
        while True:
            try:
                for status in self._client.watch(control.Watch(), max(0.1, deadline - time.monotonic())):
                    if status.supervisor_pid != self._supervisor_pid():
                        break  # the holder of the directory, whom our own supervisor is about to report
                    if on_change is not None:
                        on_change(status)
                    if status.state is PlatformState.READY:
                        return
            except NotRunning:
                pass  # not listening yet, or gone already
            self._raise_if_ended()
            if time.monotonic() > deadline:
                raise StartFailed(f"the platform was not ready in time; see {self.directory.log('supervisor')}")
            time.sleep(0.02)

    def _supervisor_pid(self) -> int:
        assert self._supervisor is not None
        return self._supervisor.pid

    def _raise_if_ended(self) -> None:
        supervisor = self._supervisor
        assert supervisor is not None
        if supervisor.poll() is None:
            return
        output = supervisor.stderr.read() if supervisor.stderr is not None else b""
        kinds = {kind.code: kind for kind in PlatformError.__subclasses__()}
        for line in reversed(output.splitlines()):
            try:
                failure = msgspec.json.decode(line, type=Failure)
            except msgspec.DecodeError:
                continue
            raise kinds.get(failure.code, StartFailed)(failure.message)
        raise StartFailed(f"the supervisor ended with {supervisor.returncode}:\n{output.decode(errors='replace')}")

    def stop(self, *, on_change: OnChange | None = None, timeout_seconds: float = 90) -> None:
        """Stop everything in order and return when it has ended. Does nothing when nothing runs."""
        try:
            for status in self._client.watch(control.Down(), timeout_seconds):
                if on_change is not None:
                    on_change(status)
        except NotRunning:
            pass
        if self._supervisor is not None:
            self._supervisor.wait(timeout_seconds)
            for stream in (self._supervisor.stdin, self._supervisor.stderr):
                if stream is not None:
                    stream.close()
            self._supervisor = None

    def give_up(self, *, timeout_seconds: float = 90) -> None:
        """Stop what `start` has begun, from another thread too while it waits; it raises then. Does nothing else.

        Unlike `stop` this reaches only a supervisor that this object has started, never another's in the directory.
        """
        if self._supervisor is not None:
            if self._supervisor.poll() is None:
                self._supervisor.terminate()
            self._supervisor.wait(timeout_seconds)

    def kill_supervisor(self) -> None:
        """Kill the supervisor with SIGKILL; the kernel ends its children."""
        os.kill(self.status().supervisor_pid, signal.SIGKILL)
        if self._supervisor is not None:
            self._supervisor.wait()
            self._supervisor = None

    def status(self) -> PlatformStatus:
        """Return the state of everything. Raises `NotRunning`."""
        return self._client.ask(control.Status())

    def changes(self, *, longest_silence_seconds: float = 3600) -> Iterator[PlatformStatus]:
        """Yield the state now and after each change, until the platform has stopped."""
        yield from self._client.watch(control.Watch(), longest_silence_seconds)

    def process(self, name: str) -> ProcessStatus:
        """Return the state of one process. Raises `NotRunning`, LookupError."""
        for process in self.status().processes:
            if process.name == name:
                return process
        raise LookupError(f"there is no process {name!r}")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> ProcessStatus:
        """Send a signal to a process and return what it was; one that ends by it is started again."""
        before = self.process(name)
        self._client.ask(control.Signal(process=name, number=number))
        return before

    def stop_process(self, name: str) -> None:
        """Stop a process gracefully and leave it stopped."""
        self._client.ask(control.Stop(process=name))

    def start_process(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a stopped process; `environment` replaces the settings that an earlier call added."""
        self._client.ask(control.Start(process=name, environment=None if environment is None else dict(environment)))

    def restart(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Stop a process gracefully and start it again; it is not ready yet when this returns."""
        self._client.ask(control.Restart(process=name, environment=None if environment is None else dict(environment)))

    def add_replica(self, replica: AddedReplica) -> None:
        """Start one more replica of a service; it is not ready yet when this returns."""
        self._client.ask(control.Add(replica=replica))

    def remove_replica(self, name: str) -> str:
        """Take a replica out of the gateway, stop it gracefully and forget it; return how it ended, "" when cleanly."""
        stopped = self._client.ask(control.Stop(process=name))
        self._client.ask(control.Remove(process=name))
        return next(process.detail for process in stopped.processes if process.name == name)

    def split_traffic(self, service: str, weights: Mapping[str, int]) -> None:
        """Split a service's requests over its arms; in force when this returns."""
        self._client.ask(control.Split(service=service, weights=dict(weights)))

    def wait_ready(self, name: str | None = None, *, timeout_seconds: float = 30, not_pid: int | None = None) -> None:
        """Return when a process, or every one, is ready; with `not_pid`, when another run than that one is.

        Raises TimeoutError.
        """
        deadline = time.monotonic() + timeout_seconds
        with suppress(StartFailed):  # nothing changed for so long
            for status in self._client.watch(control.Watch(), timeout_seconds):
                ready = {process.name: process for process in status.processes if process.ready}
                if name is None and status.state is PlatformState.READY:
                    return
                if name is not None and name in ready and ready[name].pid != not_pid:
                    return
                if time.monotonic() > deadline:
                    break
        raise TimeoutError(f"{name or 'the platform'} was not ready within {timeout_seconds:.0f} s")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
