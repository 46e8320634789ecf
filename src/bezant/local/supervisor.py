"""Carry out a plan: start its processes in the order of their needs, keep them running, and stop them in order."""

import asyncio
import resource
import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from bezant.contracts.fleet import SERVICES
from bezant.local import log_files
from bezant.local.data_directory import DataDirectory, DirectoryLock
from bezant.local.errors import InvalidOptions, PlatformError, StartFailed, UnknownProcess
from bezant.local.managed_process import ManagedProcess
from bezant.local.plan import AddedReplica, PlatformPlan, ProcessSpec, TaskSpec
from bezant.local.records import ProcessRecords
from bezant.local.status import PlatformState, PlatformStatus, StepStatus

_LOGS_LOOKED_AT_EVERY_SECONDS: Final = 5.0
_OPEN_FILES: Final = 65536

_log = structlog.get_logger("supervisor")


class Supervisor:
    """The supervisor of one data directory. All methods belong to one event loop, that of the main thread."""

    def __init__(self, plan: PlatformPlan, directory: DataDirectory, *, url: str, supervisor_pid: int) -> None:
        self._plan = plan
        self._directory = directory
        self._url = url
        self._pid = supervisor_pid
        self._lock = DirectoryLock(directory)
        self._records: ProcessRecords | None = None
        self._processes: dict[str, ManagedProcess] = {}
        self._steps = {task.name: StepStatus(name=task.name, done=False) for task in plan.tasks}
        self._step_done = {task.name: asyncio.Event() for task in plan.tasks}
        self._state = PlatformState.STARTING
        self._error: PlatformError | None = None
        self._started_at = datetime.now(UTC)
        self._listeners: set[Callable[[], None]] = set()
        self._janitor: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.stopped = asyncio.Event()

    # -- what it tells ------------------------------------------------------------------------------------------------

    def status(self) -> PlatformStatus:
        """Return the state of everything."""
        state = self._state
        if state is PlatformState.READY and any(
            process.wanted and not process.ready.is_set() for process in self._processes.values()
        ):
            state = PlatformState.DEGRADED
        return PlatformStatus(
            state=state,
            data_dir=str(self._directory.root),
            url=self._url,
            supervisor_pid=self._pid,
            started_at=self._started_at.isoformat(timespec="milliseconds"),
            processes=[process.status() for process in self._processes.values()],
            steps=list(self._steps.values()),
            error=str(self._error) if self._error else None,
            error_code=self._error.code if self._error else None,
        )

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each change; return what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def _changed(self) -> None:
        loop = asyncio.get_running_loop()
        for listener in list(self._listeners):
            # not from here: a listener that fails (a closed terminal, say) must not end what it listens to
            loop.call_soon(listener)

    # -- starting -----------------------------------------------------------------------------------------------------

    def claim_directory(self) -> None:
        """Make the directory ours. Raises `DataDirectoryInUse`, `DataDirectoryUnusable`."""
        self._directory.create()
        self._lock.acquire()
        self._records = ProcessRecords(self._directory.records)
        for name in self._records.end_leftovers():
            _log.warning("ended a process that an earlier supervisor left behind", process=name)
        for spec in self._plan.processes:
            self._processes[spec.name] = self._managed(spec)
        _raise_file_limit()

    def _managed(self, spec: ProcessSpec) -> ManagedProcess:
        assert self._records is not None
        return ManagedProcess(
            spec,
            self._records,
            dependencies_ready=partial(self._all_ready, tuple(spec.depends_on)),
            on_change=self._changed,
        )

    def check_ports(self) -> None:
        """Raise `PortTaken` when something listens on a port that any process needs; nothing has started then."""
        for process in self._processes.values():
            process.check_ports()

    async def start(self) -> None:
        """Start everything and return when all of it is ready.

        Raises `PlatformError` when a part cannot start; everything has been stopped again by then.
        """
        self._janitor = asyncio.create_task(self._bound_logs(), name="bound logs")
        tasks = [process.launch() for process in self._processes.values()]
        tasks += [asyncio.create_task(self._run_step(task), name=task.name) for task in self._plan.tasks]
        for task in tasks:
            task.add_done_callback(_take_note)
        ready = asyncio.create_task(self._everything_ready())
        try:
            waiting: set[asyncio.Task[None]] = {ready, *tasks}
            while not ready.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                self._refuse_if_stopping()  # first: stopping cancels what still waits
                for task in done:
                    task.result()
        except BaseException as error:
            if isinstance(error, PlatformError):
                self._error = error
            for task in (ready, *tasks[len(self._processes) :]):
                task.cancel()
            await self.stop(state=PlatformState.FAILED)
            raise
        self._set_state(PlatformState.READY)
        for process in self._processes.values():
            process.launch().add_done_callback(_report_end)

    def _refuse_if_stopping(self) -> None:
        if self._stopping is not None:
            raise StartFailed("the platform was stopped while it was starting")

    async def _all_ready(self, names: tuple[str, ...]) -> None:
        for name in names:
            event = self._processes[name].was_ready if name in self._processes else self._step_done[name]
            await event.wait()

    async def _everything_ready(self) -> None:
        for process in self._processes.values():
            await process.ready.wait()
        for event in self._step_done.values():
            await event.wait()

    async def _run_step(self, task: TaskSpec) -> None:
        await self._all_ready(tuple(task.depends_on))
        began = time.monotonic()
        await task.run()
        self._steps[task.name] = StepStatus(name=task.name, done=True, seconds=round(time.monotonic() - began, 3))
        self._step_done[task.name].set()
        self._changed()

    def _set_state(self, state: PlatformState) -> None:
        self._state = state
        self._changed()

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOGS_LOOKED_AT_EVERY_SECONDS)
            for directory, pattern in ((self._directory.logs, "*.log"), (self._directory.traces, "*.jsonl")):
                for path in directory.glob(pattern):
                    if path.stem.endswith(".1"):
                        continue
                    await asyncio.to_thread(log_files.bound, path)

    # -- single processes ---------------------------------------------------------------------------------------------

    def _process(self, name: str) -> ManagedProcess:
        process = self._processes.get(name)
        if process is None:
            known = ", ".join(self._processes)
            raise UnknownProcess(f"there is no process {name!r}; the processes are {known}")
        return process

    async def stop_process(self, name: str) -> None:
        """Stop one process gracefully and leave it stopped. Raises `UnknownProcess`."""
        process = self._process(name)
        if self._plan.traffic is not None:
            await self._plan.traffic.withdraw(name)
        await process.stop()

    async def start_process(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a process that was stopped. Raises `UnknownProcess`."""
        process = self._process(name)
        if self._plan.traffic is not None:
            await self._plan.traffic.admit(name)
        process.launch(environment).add_done_callback(_report_end)

    async def restart_process(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Stop one process gracefully and start it again. Raises `UnknownProcess`."""
        process = self._process(name)
        if self._plan.traffic is not None:
            await self._plan.traffic.withdraw(name)
        await process.restart(environment)
        if self._plan.traffic is not None:
            await self._plan.traffic.admit(name)

    async def add_replica(self, replica: AddedReplica) -> None:
        """Start one more replica of a service. Raises `InvalidOptions` when it is there or cannot be."""
        if self._plan.replica is None or self._plan.traffic is None:
            raise InvalidOptions("this platform has no services to add a replica of")
        if replica.name in self._processes:
            raise InvalidOptions(f"there is a process {replica.name} already; choose another number")
        process = self._managed(self._plan.replica(replica))
        self._processes[replica.name] = process
        await self._plan.traffic.add(replica)
        process.launch().add_done_callback(_report_end)
        self._changed()

    async def remove_replica(self, name: str) -> None:
        """Stop a replica gracefully and forget it. Raises `UnknownProcess`, `InvalidOptions` for other processes."""
        process = self._process(name)
        if process.spec.role not in SERVICES or self._plan.traffic is None:
            raise InvalidOptions(f"{name} is no replica of a service")
        await self._plan.traffic.withdraw(name)
        await process.stop()
        await self._plan.traffic.remove(name)
        del self._processes[name]
        self._changed()

    async def split_traffic(self, service: str, weights: Mapping[str, int]) -> None:
        """Split a service's requests over its arms. Raises `InvalidOptions` when an arm has no replica."""
        if self._plan.traffic is None:
            raise InvalidOptions("this platform has no gateway")
        await self._plan.traffic.split(service, weights)

    def signal_process(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one process; when it ends by it, it is started again. Raises `UnknownProcess`."""
        self._process(name).signal(number)

    # -- stopping -----------------------------------------------------------------------------------------------------

    async def stop(self, *, state: PlatformState = PlatformState.STOPPING) -> None:
        """Stop everything in order: no new requests, services, gateway, infrastructure. May be called twice."""
        if self._stopping is None:
            self._set_state(state)
            self._stopping = asyncio.create_task(self._stop_all(state), name="stop")
        await asyncio.shield(self._stopping)

    async def _stop_all(self, state: PlatformState) -> None:
        processes = list(self._processes.values())
        for process in processes:
            process.wanted = False  # what ends from now on is not started again
        if self._plan.traffic is not None and state is PlatformState.STOPPING:
            await self._plan.traffic.drain()
        for stage in sorted({process.spec.stop_stage for process in processes}):
            await asyncio.gather(*(process.stop() for process in processes if process.spec.stop_stage == stage))
        if self._janitor is not None:
            self._janitor.cancel()
        self._lock.release()
        self.stopped.set()
        self._set_state(PlatformState.STOPPED if state is PlatformState.STOPPING else state)

    async def kill_everything(self) -> None:
        """End all processes at once, as a power failure would. What was acknowledged is on disk."""
        for process in self._processes.values():
            process.wanted = False
            process.signal(signal.SIGKILL)
        await self.stop()


def _report_end(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a process is given up", task=task.get_name(), error=str(error))


def _take_note(task: "asyncio.Task[None]") -> None:
    # the first failure ends the start and is reported; those that follow from the same cause are not
    if not task.cancelled():
        task.exception()


def _raise_file_limit() -> None:
    """Allow this process and its children as many open files as the system lets us: Envoy and pools need many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
