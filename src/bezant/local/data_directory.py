"""The data directory: where each part keeps what it keeps, and the lock that makes it one supervisor's."""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from bezant.local.errors import DataDirectoryInUse, DataDirectoryUnusable, InvalidOptions


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
    def postgres_control(self) -> Path:
        """The same for a server that has the control database alone."""
        return self.root / "postgres-control"

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

    @property
    def exports(self) -> Path:
        """The data of closed tenants."""
        return self.root / "exports"

    @property
    def identity(self) -> Path:
        """The local OpenID provider's people and signing key."""
        return self.keys / "identity"

    @property
    def secret_store_key(self) -> Path:
        """The key of the encrypted secret store."""
        return self.keys / "secret-store.key"

    @property
    def superuser_password(self) -> Path:
        """The password of PostgreSQL's superuser."""
        return self.keys / "postgres-superuser.password"

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

    def port_base(self) -> int | None:
        """Return the port base that the directory was made with; None before its first start."""
        try:
            return int((self.root / "port-base").read_text())
        except FileNotFoundError:
            return None

    def keep_port_base(self, port_base: int) -> None:
        """Remember the port base. Raises `InvalidOptions` when it is not the one the directory was made with."""
        kept = self.port_base()
        if kept is None:
            (self.root / "port-base").write_text(f"{port_base}\n")
        elif kept != port_base:
            raise InvalidOptions(
                f"the platform in {self.root} was made with --port-base {kept}, and its tenants' database addresses "
                f"and its Valkey nodes hold these ports; start it without --port-base, or with {kept}"
            )

    def gateway_port(self) -> int | None:
        """Return the port of the gateway at the latest start; None before the first."""
        try:
            return int((self.root / "gateway-port").read_text())
        except FileNotFoundError:
            return None

    def keep_gateway_port(self, port: int) -> None:
        """Remember where the gateway listens, for the commands that are given this data directory."""
        (self.root / "gateway-port").write_text(f"{port}\n")

    @property
    def has_control_server(self) -> bool:
        """Whether the directory was made with a server for the control database alone."""
        return (self.root / "control-server").exists()

    def keep_control_server(self, *, wanted: bool) -> None:
        """Remember whether the control database has a server of its own.

        Raises `InvalidOptions` when the directory was made with the other choice: its data lies elsewhere.
        """
        if wanted and not self.has_control_server:
            if self.postgres.exists():
                raise InvalidOptions(
                    f"the platform in {self.root} was made with the control database beside the tenants' databases; "
                    "start it without --control-server, or choose another --data-dir"
                )
            (self.root / "control-server").touch()
        elif self.has_control_server and not wanted:
            raise InvalidOptions(
                f"the platform in {self.root} was made with a server for the control database alone; "
                "start it with --control-server"
            )

    def wait_until_free(self, within_seconds: float) -> None:
        """Return when no supervisor holds the directory. Raises `DataDirectoryInUse` when one still does."""
        deadline = time.monotonic() + within_seconds
        lock = DirectoryLock(self)
        while True:
            try:
                lock.acquire()
            except DataDirectoryInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                lock.release()
                return


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
