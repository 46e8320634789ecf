"""A record on disk of the processes that run, so that a successor can end what a killed supervisor left behind.

Normally the kernel ends the children with their supervisor. This is the second line: for a child that was stopped
(SIGSTOP), or one in the moment between its start and its prctl(2).
"""

import os
import signal
import time
from pathlib import Path

import msgspec

from bezant.local import proc


class ProcessRecord(msgspec.Struct, frozen=True):
    """A process we started; `start_ticks` tells it from a later one with the same pid."""

    pid: int
    start_ticks: int


class _Records(msgspec.Struct):
    boot_id: str
    processes: dict[str, ProcessRecord]


class ProcessRecords:
    """The file of records; written whole at each start and end of a process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records = _Records(boot_id=proc.boot_id(), processes={})

    def put(self, name: str, pid: int, start_ticks: int | None) -> None:
        """Record a process that was started."""
        if start_ticks is not None:
            self._records.processes[name] = ProcessRecord(pid, start_ticks)
            self._write()

    def drop(self, name: str) -> None:
        """Forget a process that has ended."""
        if self._records.processes.pop(name, None) is not None:
            self._write()

    def _write(self) -> None:
        temporary = self._path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(self._records))
        temporary.replace(self._path)

    def end_leftovers(self, grace_seconds: float = 5.0) -> list[str]:
        """End the recorded processes that still live, and return their names. Called once, with the lock held."""
        try:
            old = msgspec.json.decode(self._path.read_bytes(), type=_Records)
        except (FileNotFoundError, msgspec.DecodeError):
            return []
        if old.boot_id != self._records.boot_id:
            return []
        alive = {name: record for name, record in old.processes.items() if _lives(record)}
        for record in alive.values():
            _send(record, signal.SIGKILL)
        deadline = time.monotonic() + grace_seconds
        while any(_lives(record) for record in alive.values()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return sorted(alive)


def _lives(record: ProcessRecord) -> bool:
    return proc.start_ticks(record.pid) == record.start_ticks


def _send(record: ProcessRecord, number: signal.Signals) -> None:
    try:
        descriptor = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        # the pidfd now pins the process: what is checked here is what gets the signal
        if _lives(record):
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        pass  # it ended between the check and the signal, as it should
    finally:
        os.close(descriptor)
