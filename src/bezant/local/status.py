"""What the platform tells about itself: the state of each process and of the whole. The same document is the answer
of `bezant status --json` and of the control socket."""

from enum import StrEnum

import msgspec


class ProcessState(StrEnum):
    """Where a process is in its life."""

    WAITING = "waiting"
    """For the processes it depends on."""
    PREPARING = "preparing"
    """Its files are being made or cleared."""
    STARTING = "starting"
    """It runs and is not ready yet."""
    READY = "ready"
    UNREADY = "unready"
    """It was ready and does not answer its readiness probe now."""
    BACKING_OFF = "backing-off"
    """It ended by itself and is started again after a pause."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """On request; it is not started again by itself."""


class PlatformState(StrEnum):
    """Where the whole is."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    """It was ready, and at least one process that should run is not ready now."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    """The start failed; everything is being stopped."""


class ProcessStatus(msgspec.Struct, kw_only=True):
    """One process."""

    name: str
    role: str
    zone: str
    state: ProcessState
    ready: bool
    pid: int | None
    version: str
    port: int | None
    restarts: int
    """How often it was started again since the platform started."""
    started_at: str | None
    """When this run of it started (RFC 3339, UTC)."""
    detail: str = ""
    seconds_to_ready: float | None = None


class StepStatus(msgspec.Struct, kw_only=True):
    """One step between processes."""

    name: str
    done: bool
    seconds: float | None = None


class PlatformStatus(msgspec.Struct, kw_only=True):
    """The whole platform."""

    state: PlatformState
    data_dir: str
    url: str
    supervisor_pid: int
    started_at: str
    processes: list[ProcessStatus]
    steps: list[StepStatus] = []
    error: str | None = None
    """Why the start failed."""
    error_code: str | None = None
