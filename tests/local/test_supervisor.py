"""The supervisor on stand-in processes: order, readiness, restarts, back-off, failing starts, stopping."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bezant.local import managed_process, proc
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import DataDirectoryInUse, PortTaken, StartFailed, UnknownProcess
from bezant.local.plan import PlatformPlan, ProbeResult, ProcessSpec, TaskSpec
from bezant.local.records import ProcessRecords
from bezant.local.status import PlatformState, ProcessState
from bezant.local.supervisor import Supervisor

from .parts import eventually, stand_in


@pytest.fixture(scope="module")
def base(port_block: Callable[[], int]) -> int:
    return port_block()


def supervise(directory: DataDirectory, *specs: ProcessSpec, tasks: tuple[TaskSpec, ...] = ()) -> Supervisor:
    plan = PlatformPlan(processes=specs, tasks=tasks)
    supervisor = Supervisor(plan, directory, url="http://x", supervisor_pid=os.getpid())
    supervisor.claim_directory()
    return supervisor


def pid_of(supervisor: Supervisor, name: str) -> int:
    pid = next(process.pid for process in supervisor.status().processes if process.name == name)
    assert pid is not None
    return pid


def process(supervisor: Supervisor, name: str) -> Any:
    return next(process for process in supervisor.status().processes if process.name == name)


def environment_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_text().split("\0")


async def test_processes_start_in_the_order_of_their_needs_and_stop_by_stages(
    directory: DataDirectory, base: int
) -> None:
    order: list[str] = []

    def note(name: str) -> Any:
        async def hook() -> None:
            order.append(name)

        return hook

    supervisor = supervise(
        directory,
        stand_in(directory, "last", base, depends_on=["step"], prepare=note("last"), stop_stage=0),
        stand_in(directory, "first", base + 1, prepare=note("first"), on_ready=note("first ready"), stop_stage=1),
        tasks=(TaskSpec(name="step", run=note("step"), depends_on=["first"]),),
    )
    await supervisor.start()
    assert order == ["first", "first ready", "step", "last"]
    assert supervisor.status().state is PlatformState.READY
    stopped: list[str] = []
    supervisor.subscribe(
        lambda: stopped.extend(
            p.name for p in supervisor.status().processes if p.state is ProcessState.STOPPED and p.name not in stopped
        )
    )
    await supervisor.stop()
    assert stopped == ["last", "first"]
    assert supervisor.status().state is PlatformState.STOPPED


async def test_a_killed_process_comes_back_with_growing_pauses(directory: DataDirectory, base: int) -> None:
    supervisor = supervise(directory, stand_in(directory, "a", base))
    await supervisor.start()
    seen: set[int] = set()
    began = time.monotonic()
    for restarts in range(1, 4):
        seen.add(pid_of(supervisor, "a"))
        supervisor.signal_process("a", signal.SIGKILL)
        await eventually(lambda n=restarts: process(supervisor, "a").restarts == n)  # type: ignore[misc]
        assert process(supervisor, "a").detail == "ended by SIGKILL"
        assert supervisor.status().state is PlatformState.DEGRADED
        await eventually(lambda: process(supervisor, "a").ready)
    assert pid_of(supervisor, "a") not in seen
    assert time.monotonic() - began >= 0.1 + 0.2 + 0.4
    assert supervisor.status().state is PlatformState.READY
    await supervisor.stop()


async def test_a_process_that_cannot_start_fails_the_start_with_the_end_of_its_log(
    directory: DataDirectory, base: int
) -> None:
    bad = stand_in(directory, "bad", base, command=[sys.executable, "-c", "raise SystemExit('no such luck')"])
    good = stand_in(directory, "good", base + 1)
    supervisor = supervise(directory, bad, good)
    with pytest.raises(StartFailed, match=r"bad ended 3 times while starting: exited with 1[\s\S]*no such luck"):
        await supervisor.start()
    assert supervisor.status().state is PlatformState.FAILED
    assert supervisor.status().error_code == "start_failed"
    assert [p.pid for p in supervisor.status().processes] == [None, None]


async def test_a_process_that_is_never_ready_fails_the_start(directory: DataDirectory, base: int) -> None:
    spec = stand_in(directory, "a", base, environment={"NAME": "a", "NEVER_READY": "1"}, ready_within_seconds=0.5)
    with pytest.raises(StartFailed, match="a not ready after"):
        await supervise(directory, spec).start()


async def test_an_answer_from_somebody_elses_server_is_not_readiness(directory: DataDirectory, base: int) -> None:
    strangers: list[asyncio.Server] = []

    async def answered_by_a_stranger(_pid: int) -> ProbeResult:
        if not strangers:
            strangers.append(await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", base))
        return ProbeResult(True)

    idle = [sys.executable, "-c", "import time; time.sleep(60)"]
    spec = stand_in(directory, "a", base, command=idle, probe=answered_by_a_stranger, ready_within_seconds=0.3)
    with pytest.raises(StartFailed, match=f"port {base} is answered by another process"):
        await supervise(directory, spec).start()
    strangers[0].close()


async def test_a_hanging_process_is_shown_as_not_ready_and_is_not_restarted(
    directory: DataDirectory, base: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managed_process, "_PROBE_SECONDS", 0.3)
    monkeypatch.setattr(managed_process, "_PROBE_PAUSE_READY_SECONDS", 0.1)
    supervisor = supervise(directory, stand_in(directory, "a", base))
    await supervisor.start()
    pid = pid_of(supervisor, "a")
    supervisor.signal_process("a", signal.SIGSTOP)
    await eventually(lambda: process(supervisor, "a").state is ProcessState.UNREADY, 15)
    assert supervisor.status().state is PlatformState.DEGRADED
    supervisor.signal_process("a", signal.SIGCONT)
    await eventually(lambda: process(supervisor, "a").ready)
    assert (pid_of(supervisor, "a"), process(supervisor, "a").restarts) == (pid, 0)
    await supervisor.stop()


async def test_a_process_stays_stopped_until_it_is_started_with_other_settings(
    directory: DataDirectory, base: int
) -> None:
    supervisor = supervise(directory, stand_in(directory, "a", base))
    await supervisor.start()
    await supervisor.stop_process("a")
    assert process(supervisor, "a").state is ProcessState.STOPPED
    assert supervisor.status().state is PlatformState.READY
    await supervisor.start_process("a", {"MARK": "7"})
    await eventually(lambda: process(supervisor, "a").ready)
    assert "MARK=7" in environment_of(pid_of(supervisor, "a"))
    await supervisor.restart_process("a", {})
    await eventually(lambda: process(supervisor, "a").ready)
    assert process(supervisor, "a").restarts == 1
    with pytest.raises(UnknownProcess):
        await supervisor.stop_process("b")
    await supervisor.stop()


async def test_a_process_that_ignores_the_request_to_stop_is_killed_after_its_grace(
    directory: DataDirectory, base: int
) -> None:
    deaf = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"

    async def always(_pid: int) -> ProbeResult:
        return ProbeResult(True)

    supervisor = supervise(
        directory,
        stand_in(
            directory,
            "deaf",
            None,
            command=[sys.executable, "-c", deaf],
            probe=always,
            stop_grace_seconds=0.3,
        ),
    )
    await supervisor.start()
    pid = pid_of(supervisor, "deaf")
    await supervisor.stop()
    assert proc.start_ticks(pid) is None


async def test_a_second_supervisor_of_the_same_directory_is_refused(directory: DataDirectory, base: int) -> None:
    first = supervise(directory, stand_in(directory, "a", base))
    with pytest.raises(DataDirectoryInUse, match=f"process {os.getpid()}"):
        supervise(directory, stand_in(directory, "a", base))
    await first.start()
    await first.stop()
    again = supervise(directory, stand_in(directory, "a", base))
    await again.start()
    await again.stop()


async def test_ports_are_checked_before_anything_starts(directory: DataDirectory, base: int) -> None:
    first = supervise(directory, stand_in(directory, "a", base))
    await first.start()
    other = DataDirectory(directory.root / "other")
    second = supervise(other, stand_in(other, "b", base + 1), stand_in(other, "c", base))
    with pytest.raises(PortTaken, match=f"port {base} .* which c needs, is taken: process {pid_of(first, 'a')}"):
        second.check_ports()
    await first.stop()
    await second.stop()


def test_a_process_that_an_earlier_supervisor_left_behind_is_ended(directory: DataDirectory) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    records = ProcessRecords(directory.records)
    records.put("left", left.pid, proc.start_ticks(left.pid))
    records.put("reused", stranger.pid, 1)  # the pid is somebody else's by now
    assert ProcessRecords(directory.records).end_leftovers() == ["left"]
    assert left.wait(5) == -signal.SIGKILL
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
