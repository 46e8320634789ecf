"""The plan of a local platform: which processes there are, what each needs, and how one knows that it is ready.

The supervisor knows nothing of PostgreSQL or payments: it carries out a plan. A part that runs elsewhere (an
external PostgreSQL, say) is simply not in the plan, and its address stands in the settings of the services.
"""

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec

from bezant.local.accounts import Account


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a readiness probe saw. `detail` is shown to people: the reason when not ready, a remark when ready."""

    ready: bool
    detail: str = ""


Probe = Callable[[int], Awaitable[ProbeResult]]
"""Asks the running process with the given pid whether it is ready. Must not raise for anything that the process does
or omits; the caller bounds the time.
"""

Hook = Callable[[], Awaitable[None]]
"""A step of a process's life. Hooks are idempotent: each runs again at every restart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessSpec:
    """One process of the platform."""

    name: str
    role: str
    command: Sequence[str | Path]
    probe: Probe
    log_path: Path
    version: str
    zone: str = ""
    port: int | None = None
    other_ports: Sequence[int] = ()
    depends_on: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    """The account to run as; None is the supervisor's own."""
    working_directory: Path | None = None
    prepare: Hook | None = None
    """Before each start, before the port is checked."""
    on_ready: Hook | None = None
    """After the first good probe of each start; the process counts as ready when it returns."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_seconds: float = 10.0
    longest_backoff_seconds: float = 10.0
    """How long at most it is left, when it keeps ending, before it is started again."""
    stop_stage: int = 0
    """Stages stop one after another, the lowest first; within a stage all at once."""
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends to the process when its supervisor dies (PR_SET_PDEATHSIG)."""
    ready_within_seconds: float = 60.0


STABLE: Final = "stable"
"""The arm of the version that has the traffic unless a part of it is given to another."""


class AddedReplica(msgspec.Struct, frozen=True, kw_only=True):
    """A replica that joins while the platform runs, of the same version as the others or of another one."""

    service: str
    replica: int
    """Its number, which says its name, port and zone."""
    arm: str = STABLE
    """Which share of the service's traffic it belongs to: that of the stable version, or of one under test."""
    version: str | None = None
    """What it calls itself; the platform's own version when None."""
    command: tuple[str, ...] | None = None
    """What is run with the service's name as its last argument, in place of the platform's own entry point."""
    environment: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The process's name."""
        return f"{self.service}-{self.replica}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSpec:
    """A step between processes, such as forming the cluster: done once in each start of the platform."""

    name: str
    run: Hook
    depends_on: Sequence[str] = ()


class TrafficControl(Protocol):
    """What directs requests to the service processes."""

    async def admit(self, process: str) -> None:
        """Send new requests to the process as soon as it is ready."""

    async def withdraw(self, process: str) -> None:
        """Send no new requests to the process; return when that is in force."""

    async def add(self, replica: AddedReplica) -> None:
        """Know a new replica from now on, and send it its part of its arm's requests as soon as it is ready."""

    async def remove(self, process: str) -> None:
        """Forget a replica that was withdrawn and has ended."""

    async def split(self, service: str, weights: Mapping[str, int]) -> None:
        """Split a service's requests over its arms in these proportions; return when that is in force."""

    async def drain(self) -> None:
        """Take no new requests from outside and let those under way finish; return when they have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformPlan:
    """All processes and steps. Names are unique; dependencies name members of the plan and form no cycle."""

    processes: Sequence[ProcessSpec]
    tasks: Sequence[TaskSpec] = ()
    traffic: TrafficControl | None = None
    replica: Callable[[AddedReplica], ProcessSpec] | None = None
    """Makes the process of a replica that joins later. Raises `InvalidOptions` when there can be no such replica."""

    def __post_init__(self) -> None:
        members = {spec.name: spec.depends_on for spec in self.processes}
        members |= {task.name: task.depends_on for task in self.tasks}
        if len(members) != len(self.processes) + len(self.tasks):
            raise ValueError("two members of the plan have the same name")
        settled: set[str] = set()
        while len(settled) < len(members):
            free = {name for name, needs in members.items() if name not in settled and settled.issuperset(needs)}
            if not free:
                raise ValueError(f"dependencies are missing or circular among {sorted(members.keys() - settled)}")
            settled |= free
