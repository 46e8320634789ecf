"""The processor time of a platform's processes, from /proc (proc(5))."""

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_POSTGRES: Final = "postgres"
_VALKEY: Final = "valkey"


class CpuMeter:
    """Processor time since it was made, by component."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """`pids` are those of the platform's processes by name; PostgreSQL's children are found by their parent."""
        self._pids = dict(pids)
        self._began = self._seconds()
        self._load_began = time.process_time()

    def microseconds_per(self, count: int) -> dict[str, int]:
        """Return microseconds for each of so many things, by component, the load generator's own among them."""
        now = self._seconds()
        spent = {name: (now[name] - self._began.get(name, 0.0)) / count * 1e6 for name in now}
        spent["load"] = (time.process_time() - self._load_began) / count * 1e6
        return {name: round(value) for name, value in sorted(spent.items(), key=lambda pair: -pair[1])}

    def postgres_processes(self) -> int:
        """Return how many processes PostgreSQL has: one for each connection, and some of its own."""
        return len(_children(self._pids[_POSTGRES])) if _POSTGRES in self._pids else 0

    def _seconds(self) -> dict[str, float]:
        total: dict[str, float] = defaultdict(float)
        for name, pid in self._pids.items():
            if name == _POSTGRES:
                # those that have ended are in what the parent has waited for
                total[_POSTGRES] += _spent(pid, waited=True) + sum(_spent(child) for child in _children(pid))
            else:
                total[_VALKEY if name.startswith(_VALKEY) else name] += _spent(pid)
        return dict(total)


def _spent(pid: int, *, waited: bool = False) -> float:
    fields = _stat(pid)
    if fields is None:
        return 0.0
    return sum(int(field) for field in fields[11 : 15 if waited else 13]) / _TICKS


def _children(parent: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if (fields := _stat(pid)) is not None and int(fields[1]) == parent]


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
