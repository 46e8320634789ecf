"""One process under supervision: started when what it needs is ready, watched, and started again when it ends."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bezant.local import child, log_files, ports, proc
from bezant.local.child import Child
from bezant.local.errors import PlatformError, PortTaken, StartFailed
from bezant.local.plan import ProbeResult, ProcessSpec
from bezant.local.records import ProcessRecords
from bezant.local.status import ProcessState, ProcessStatus

FIRST_BACKOFF_SECONDS: Final = 0.1
STABLE_AFTER_SECONDS: Final = 30.0
"""A run this long starts the back-off anew."""
_CRASHES_THAT_FAIL_THE_START: Final = 3
_PROBE_SECONDS: Final = 2.0
_PROBE_PAUSES_STARTING_SECONDS: Final = (0.02, 0.05, 0.1, 0.1, 0.1, 0.2)
_PROBE_PAUSE_READY_SECONDS: Final = 2.0
_PROBE_PAUSE_UNREADY_SECONDS: Final = 0.25
_FAILURES_THAT_MEAN_UNREADY: Final = 2

_log = structlog.get_logger("supervisor")


class ManagedProcess:
    """A process of the plan and what has become of it."""

    def __init__(
        self,
        spec: ProcessSpec,
        records: ProcessRecords,
        *,
        dependencies_ready: Callable[[], Awaitable[None]],
        on_change: Callable[[], None],
    ) -> None:
        self.spec = spec
        self.ready = asyncio.Event()
        self.was_ready = asyncio.Event()
        self.wanted = True
        self._records = records
        self._dependencies_ready = dependencies_ready
        self._on_change = on_change
        self._state = ProcessState.WAITING
        self._detail = ""
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop_requested = asyncio.Event()
        self._restart_requested = False
        self._extra_environment: dict[str, str] = {}
        self._restarts = 0
        self._crashes_in_a_row = 0
        self._started_at: datetime | None = None
        self._seconds_to_ready: float | None = None

    def status(self) -> ProcessStatus:
        """Return what is shown of the process."""
        pid = self._child.pid if self._child is not None and not self._child.ended.done() else None
        return ProcessStatus(
            name=self.spec.name,
            role=self.spec.role,
            zone=self.spec.zone,
            state=self._state,
            # the end of a process is seen a moment before its supervision takes note of it
            ready=self.ready.is_set() and pid is not None,
            pid=pid,
            version=self.spec.version,
            port=self.spec.port,
            restarts=self._restarts,
            started_at=self._started_at.isoformat(timespec="milliseconds") if self._started_at else None,
            detail=self._detail,
            seconds_to_ready=self._seconds_to_ready,
        )

    def launch(self, extra_environment: Mapping[str, str] | None = None) -> asyncio.Task[None]:
        """Keep the process running from now on; the task raises `PlatformError` when its first start fails.

        `extra_environment` replaces what an earlier call added to the settings of the spec.
        """
        if extra_environment is not None:
            self._extra_environment = dict(extra_environment)
        if self._task is None or self._task.done():
            self.wanted = True
            self._stop_requested.clear()
            self._crashes_in_a_row = 0
            self._task = asyncio.create_task(self._keep_running(), name=f"keep {self.spec.name}")
        return self._task

    async def stop(self, grace_seconds: float | None = None) -> None:
        """End the process and do not start it again; return when it has ended. An end that was not clean is shown."""
        ended = ""
        self.wanted = False
        self._stop_requested.set()
        self.ready.clear()
        if self._child is not None and not self._child.ended.done():
            self._set(ProcessState.STOPPING)
            grace = self.spec.stop_grace_seconds if grace_seconds is None else grace_seconds
            code = await self._child.stop(self.spec.stop_signal, grace)
            ended = "" if code == 0 else _how_ended(code)
        if self._task is not None and not self._task.done():
            if self._child is None:
                self._task.cancel()  # it still waits or prepares
            await asyncio.wait([self._task])
        self._set(ProcessState.STOPPED, ended)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process. Does nothing when it does not run."""
        if self._child is not None:
            self._child.send(number)

    async def restart(self, extra_environment: Mapping[str, str] | None = None) -> None:
        """Stop the process and start it again at once."""
        await self.stop()
        self._restarts += 1
        self.launch(extra_environment)

    def _set(self, state: ProcessState, detail: str = "") -> None:
        if not self.wanted and state not in {ProcessState.STOPPING, ProcessState.STOPPED}:
            return  # what its last probes see says nothing any more
        if (state, detail) != (self._state, self._detail):
            self._state, self._detail = state, detail
            self._on_change()

    async def _keep_running(self) -> None:
        if not self.was_ready.is_set():
            await self._dependencies_ready()
        while self.wanted:
            began = time.monotonic()
            try:
                reason = await self._run_once()
            except (PlatformError, OSError) as error:
                if not self.was_ready.is_set():
                    raise
                reason = str(error)
            self.ready.clear()
            if self._stop_requested.is_set():
                return
            if time.monotonic() - began > STABLE_AFTER_SECONDS:
                self._crashes_in_a_row = 0
            self._crashes_in_a_row += 1
            self._restarts += 1
            pause = min(FIRST_BACKOFF_SECONDS * 2 ** (self._crashes_in_a_row - 1), self.spec.longest_backoff_seconds)
            _log.warning("process ended", process=self.spec.name, reason=reason, restart_in_seconds=pause)
            if not self.was_ready.is_set() and self._crashes_in_a_row >= _CRASHES_THAT_FAIL_THE_START:
                raise StartFailed(self._failure(f"ended {self._crashes_in_a_row} times while starting: {reason}"))
            self._set(ProcessState.BACKING_OFF, reason)
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop_requested.wait(), seconds)
        except TimeoutError:
            return

    async def _run_once(self) -> str:
        """Start the process, watch it until it ends, and return why it ended."""
        self._set(ProcessState.PREPARING)
        self._child = None
        if self.spec.prepare is not None:
            await self.spec.prepare()
        await self._claim_ports()
        running = child.start_spec(self.spec, self._extra_environment)
        self._child = running
        self._started_at = datetime.now(UTC)
        self._seconds_to_ready = None
        self._records.put(self.spec.name, running.pid, running.start_ticks)
        self._set(ProcessState.STARTING)
        watch = asyncio.create_task(self._watch(running), name=f"watch {self.spec.name}")
        try:
            ends: list[asyncio.Future[Any]] = [running.ended, watch]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not running.ended.done():
                await running.stop(signal.SIGKILL, 0)
                watch.result()  # it ended first, so it raised: the process was not ready in time
            code = running.ended.result()
        finally:
            watch.cancel()
            await asyncio.wait([watch])
            if not running.ended.done():
                await running.stop(signal.SIGKILL, 0)
            self._records.drop(self.spec.name)
        return _how_ended(code)

    def check_ports(self) -> None:
        """Raise `PortTaken` when something listens on one of the ports."""
        for port in (self.spec.port, *self.spec.other_ports):
            if port is not None:
                ports.refuse_taken(port, self.spec.name)

    async def _claim_ports(self) -> None:
        """Check that the ports are free. A predecessor that was just killed may hold it for a moment."""
        attempts = 20 if self.was_ready.is_set() else 3
        for attempt in range(attempts):
            try:
                self.check_ports()
            except PortTaken:
                if attempt + 1 == attempts:
                    raise
                await asyncio.sleep(0.05)
            else:
                return

    async def _watch(self, running: Child) -> None:
        """Follow the readiness of `running`. Returns never; raises `StartFailed` when it is not ready in time."""
        began = time.monotonic()
        failures = 0
        attempts = 0
        while True:
            result = await self._probe(running)
            if result.ready and not self.ready.is_set():
                result = await self._become_ready(running, began, result)
            failures = 0 if result.ready else failures + 1
            if result.ready:
                self._set(ProcessState.READY, result.detail)
            elif self._seconds_to_ready is None:
                self._set(ProcessState.STARTING, result.detail)
                if time.monotonic() - began > self.spec.ready_within_seconds:
                    late = f"not ready after {self.spec.ready_within_seconds:.0f} s: {result.detail}"
                    raise StartFailed(self._failure(late))
            elif failures >= _FAILURES_THAT_MEAN_UNREADY:
                self.ready.clear()
                self._set(ProcessState.UNREADY, result.detail)
            attempts += 1
            await asyncio.sleep(self._probe_pause(attempts, failures))

    def _probe_pause(self, attempts: int, failures: int) -> float:
        if failures == 0:
            return _PROBE_PAUSE_READY_SECONDS
        if self._seconds_to_ready is not None:
            return _PROBE_PAUSE_UNREADY_SECONDS
        return _PROBE_PAUSES_STARTING_SECONDS[min(attempts, len(_PROBE_PAUSES_STARTING_SECONDS)) - 1]

    async def _probe(self, running: Child) -> ProbeResult:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                return await self.spec.probe(running.pid)
        except TimeoutError:
            return ProbeResult(False, f"no answer within {_PROBE_SECONDS:.0f} s")

    async def _become_ready(self, running: Child, began: float, result: ProbeResult) -> ProbeResult:
        if self._seconds_to_ready is None:
            # what answered may be somebody else's server on the same port
            if self.spec.port is not None and not proc.holds_socket(running.pid, proc.listening_inodes(self.spec.port)):
                return ProbeResult(False, f"port {self.spec.port} is answered by another process")
            if self.spec.on_ready is not None:
                await self.spec.on_ready()
            self._seconds_to_ready = round(time.monotonic() - began, 3)
        self.ready.set()
        self.was_ready.set()
        return result

    def _failure(self, what: str) -> str:
        tail = log_files.last_lines(self.spec.log_path, 15)
        text = f"{self.spec.name} {what}. Its log is {self.spec.log_path}"
        return text + (":\n" + "\n".join(tail) if tail else " (empty)")


def _how_ended(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
