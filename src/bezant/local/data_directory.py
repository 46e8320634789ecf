"""The data directory: where each part keeps what it keeps, and the lock that makes it one supervisor's."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from bezant.local.errors import DataDirectoryInUse, DataDirectoryUnusable


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The layout of one data directory. `root` is absolute."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held with flock(2) by the supervisor for as long as it lives; holds its pid."""
        return self.root / "supervisor.lock"

    @property
    def control_socket_name(self) -> str:
        """The supervisor's control socket, relative to the root."""
        return "control.sock"

    @property
    def records(self) -> Path:
        """Which processes the supervisor started, so that its successor finds the ones it left behind."""
        return self.root / "processes.json"

    @property
    def postgres(self) -> Path:
        """What belongs to the account that PostgreSQL runs as."""
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        """One directory for each Valkey node."""
        return self.root / "valkey"

    @property
    def gateway(self) -> Path:
        """Envoy's configuration: start, clusters, endpoints and routes."""
        return self.root / "gateway"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.root / "logs"

    @property
    def traces(self) -> Path:
        """One file of spans for each service process."""
        return self.root / "traces"

    @property
    def secrets(self) -> Path:
        """The encrypted secret store."""
        return self.root / "secrets"

    @property
    def keys(self) -> Path:
        """What must never leave the machine: the store's key and the superuser's password, mode 0600."""
        return self.root / "keys"

    def log(self, process: str) -> Path:
        """Return the log file of a process."""
        return self.logs / f"{process}.log"

    def create(self) -> None:
        """Make the directories that are missing. Raises `DataDirectoryUnusable`."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for directory in (self.valkey, self.gateway, self.logs, self.traces):
                directory.mkdir(exist_ok=True)
            for private in (self.secrets, self.keys):
                private.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise DataDirectoryUnusable(
                f"the data directory {self.root} cannot be made: {error.strerror}. "
                "It may belong to another account (was `bezant up` run as root here?); choose another --data-dir"
            ) from error


class DirectoryLock:
    """An exclusive flock(2) on the data directory. The kernel gives it back when the holder dies, however it dies."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises `DataDirectoryInUse` naming the holder, `DataDirectoryUnusable`."""
        path = self._directory.lock
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirectoryUnusable(f"{path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"the data directory {self._directory.root} is in use by the platform of process {holder}. "
                "Look at it with `bezant status`, stop it with `bezant down`, or choose another --data-dir"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
