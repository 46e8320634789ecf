"""PostgreSQL 18 in the data directory: made once, and started so that it survives any kill.

fsync and synchronous_commit stay on: what Bezant confirms is on disk. The superuser's password is random, lies in a
file with mode 0600 and is asked for (SCRAM-SHA-256) by the socket and by TCP alike.
"""

import asyncio
import os
import secrets
import shutil
import signal
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from bezant.local import binaries, child, proc, wire
from bezant.local.accounts import unprivileged_account
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import DataDirectoryUnusable, StartFailed
from bezant.local.plan import ProbeResult, ProcessSpec
from bezant.local.ports import HOST, Ports

NAME: Final = "postgres"
CONTROL_NAME: Final = "postgres-control"
"""The server that has the control database alone, if the platform has one."""
SUPERUSER: Final = "postgres"
_CONNECTION_BYTES: Final = 3 * 1024**2
"""What a connection's process takes of its own: 1.5 MB when new, up to twice as much with a warm catalogue."""
_CONNECTIONS_SHARE: Final = 0.4
"""The share of the machine's memory that connections may take together."""
_FEWEST_CONNECTIONS, _MOST_CONNECTIONS = 400, 6000

_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": HOST,
    # its worker processes cost more than they save where all that is read lies in the system's cache
    "io_method": "sync",
    "work_mem": "4MB",
    "maintenance_work_mem": "64MB",
    "huge_pages": "off",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "wal_buffers": "16MB",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "10min",
    "checkpoint_completion_target": "0.9",
    # the default walks every file of every database before recovery: 5.9 s with 100 databases against 0.2 s
    "recovery_init_sync_method": "syncfs",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "5min",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # a failing statement's text holds customers' values
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "cluster_name": "bezant",
    # a client that vanished must not keep its locks for the two hours of the system's default
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "client_connection_check_interval": "5s",
}

_LONGEST_SOCKET_DIRECTORY = 80
_SSL_REQUEST = struct.pack("!II", 8, 80877103)


def max_connections() -> int:
    """Return how many connections the server allows on this machine: as many as its memory holds."""
    fitting = int(_memory_bytes() * _CONNECTIONS_SHARE / _CONNECTION_BYTES)
    return max(_FEWEST_CONNECTIONS, min(_MOST_CONNECTIONS, fitting))


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _sizes_in_memory() -> dict[str, str]:
    """Return how much the server caches. What is not used costs nothing: a hundred busy tenants use about 1 GB."""
    mebibytes = _memory_bytes() // 1024**2
    return {
        "shared_buffers": f"{max(128, min(2048, mebibytes // 16))}MB",
        "effective_cache_size": f"{max(512, mebibytes // 4)}MB",
    }


class PostgresServer:
    """A PostgreSQL server of a data directory. All of them have the same superuser with the same password."""

    def __init__(self, directory: DataDirectory, ports: Ports, name: str = NAME) -> None:
        self._directory = directory
        self._name = name
        self._port = ports.postgres if name == NAME else ports.postgres_control
        self._root = directory.postgres if name == NAME else directory.postgres_control
        self._cluster = self._root / "data"
        self._sockets = self._root / "sockets"
        self._settings_file = self._root / "bezant.conf"
        self._account = unprivileged_account(self._cluster, binaries.postgres("postgres").path)

    def spec(self) -> ProcessSpec:
        """Return the process."""
        server = binaries.postgres("postgres")
        return ProcessSpec(
            name=self._name,
            role="database",
            command=[server.path, "-D", self._cluster],
            probe=self.probe,
            log_path=self._directory.log(self._name),
            version=server.version,
            zone="us-east-1a",
            port=self._port,
            account=self._account,
            prepare=self.prepare,
            # fast shutdown: end the sessions, write a checkpoint, leave
            stop_signal=signal.SIGINT,
            stop_grace_seconds=20,
            stop_stage=2,
            # immediate shutdown: the postmaster takes its backends along, which SIGKILL would leave to themselves
            orphan_signal=signal.SIGQUIT,
        )

    async def prepare(self) -> None:
        """Make the cluster if there is none, write the settings, and clear what a killed server left."""
        self._make_directory(self._root)
        if not self._cluster.exists():
            await self._initialize()
        self._check_owner()
        self._write_settings()
        await asyncio.to_thread(self._clear_leftovers)

    def _own(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)

    def _make_directory(self, path: Path) -> None:
        if not path.exists():
            path.mkdir(mode=0o700, parents=True)
            self._own(path)

    def _check_owner(self) -> None:
        owner = self._cluster.stat().st_uid
        wanted = os.geteuid() if self._account is None else self._account.uid
        if owner != wanted:
            raise DataDirectoryUnusable(
                f"{self._cluster} belongs to account {owner}, and PostgreSQL would run as {wanted}. "
                "Run `bezant up` as the account that made the directory, or choose another --data-dir"
            )

    async def _initialize(self) -> None:
        password = self._superuser_password()
        unfinished = self._root / "data.unfinished"
        await asyncio.to_thread(_remove_tree, unfinished)
        # initdb reads the password as the server's account, which may not read our keys
        handed_over = self._root / "initdb.password"
        handed_over.touch(mode=0o600)
        handed_over.write_text(password)
        self._own(handed_over)
        command: list[str | Path] = [
            binaries.postgres("initdb").path,
            *("-D", unfinished, "-U", SUPERUSER, f"--pwfile={handed_over}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
            *("--builtin-locale=C.UTF-8", "--sync-method=syncfs"),
        ]
        try:
            log_path = self._directory.log("initdb" if self._name == NAME else f"initdb-{self._name}")
            await child.run_to_end("initdb", command, log_path=log_path, environment={}, account=self._account)
        finally:
            handed_over.unlink(missing_ok=True)
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write(f"include '{_quoted(self._settings_file)}'\n")
        # the rename is what makes the cluster exist: an initdb that was killed leaves nothing that looks like one
        unfinished.replace(self._cluster)

    def _superuser_password(self) -> str:
        """Return the superuser's password, made by whichever server is initialized first."""
        path = self._directory.superuser_password
        # linked into place: a second server that is initialized at the same time reads the whole of it, or none
        fresh = path.with_name(f"{path.name}.{self._name}")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
        return path.read_text()

    def _write_settings(self) -> None:
        self._make_directory(self._sockets)
        # a socket's address holds 107 bytes; below a deeper directory there is TCP alone
        short = len(os.fsencode(self._sockets)) <= _LONGEST_SOCKET_DIRECTORY
        settings = {
            **_SETTINGS,
            "max_connections": str(max_connections()),
            **_sizes_in_memory(),
            "port": str(self._port),
            "unix_socket_directories": _list_element(self._sockets) if short else "",
        }
        text = "# Written at each start; put your own settings into data/postgresql.conf after the include.\n"
        text += "".join(f"{name} = '{_quoted(value)}'\n" for name, value in settings.items())
        temporary = self._settings_file.with_suffix(".new")
        temporary.write_text(text)
        self._own(temporary)
        temporary.replace(self._settings_file)

    def _clear_leftovers(self, grace_seconds: float = 10.0) -> None:
        """End servers and backends that outlived their supervisor, and remove the lock files that they left.

        A lock file alone proves nothing: its pid may be a zombie that nobody has collected yet, or another
        process by now; a new server refuses to start in both cases. Our lock is held, so any process that works in
        this cluster's directory is a leftover.
        """
        deadline = time.monotonic() + grace_seconds
        number = signal.SIGQUIT
        while leftovers := self._running():
            for pid in leftovers:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.05)
            number = signal.SIGKILL if time.monotonic() > deadline - grace_seconds / 2 else signal.SIGQUIT
            if time.monotonic() > deadline:
                raise StartFailed(f"an earlier PostgreSQL (process {leftovers[0]}) in {self._cluster} does not end")
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        for lock in self._sockets.glob(".s.PGSQL.*"):
            lock.unlink()

    def _running(self) -> list[int]:
        cluster = self._cluster.resolve()
        return [pid for pid in proc.pids() if proc.working_directory(pid) == cluster and proc.start_ticks(pid)]

    async def probe(self, pid: int) -> ProbeResult:
        """Ready when our own postmaster says so in postmaster.pid and a connection is answered."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().split("\n")
        except OSError:
            return ProbeResult(False, "starting")
        # line 1 is the pid, line 8 the state (PostgreSQL: src/include/utils/pidfile.h)
        if lines[0].strip() != str(pid) or len(lines) < 8 or lines[7].strip() != "ready":
            return ProbeResult(False, "recovering" if len(lines) >= 8 else "starting")
        try:
            async with wire.connection(self._port) as (reader, writer):
                writer.write(_SSL_REQUEST)
                answer = await reader.readexactly(1)
        except (OSError, EOFError) as error:
            return ProbeResult(False, str(error))
        return ProbeResult(answer in {b"S", b"N"})


def _quoted(value: str | Path) -> str:
    return str(value).replace("\\", "\\\\").replace("'", "''")


def _list_element(path: Path) -> str:
    return '"' + str(path).replace('"', '""') + '"'


def _remove_tree(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
