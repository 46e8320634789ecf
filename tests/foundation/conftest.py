"""A real control database for each test, cloned from one that the platform's own bootstrap has made."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from bezant.contracts.identifiers import new_id
from bezant.foundation.control.bootstrap import prepare_platform
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.settings import Settings

from ..stores.fixtures import (
    PostgresServer,
    Secrets,
    postgres_server,
    stores,
    tenant,
    valkey,
    valkey_port,
)

__all__ = ["postgres_server", "stores", "tenant", "valkey", "valkey_port"]

PREPARED = "control_prepared"


@dataclass
class Clock:
    """Stands for the `time` module where a test turns the clock itself."""

    now: float = 1_000_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@dataclass
class Control:
    """A control database of the test's own."""

    server: PostgresServer
    name: str
    secrets: Secrets
    opened: list[ControlDatabase] = field(default_factory=list)

    def settings(self, **changes: Any) -> Settings:
        return Settings(control_database_port=self.server.port, control_database_name=self.name, **changes)

    async def open(self, service: str = "payment", **changes: Any) -> ControlDatabase:
        """Open it as the service's own role."""
        database = await ControlDatabase.open(
            service=service, settings=self.settings(**changes), secrets=self.secrets, max_size=4
        )
        self.opened.append(database)
        return database

    async def as_superuser(self, statement: str, *parameters: Any) -> list[Any]:
        async with await psycopg.AsyncConnection.connect(self.server.dsn(self.name), autocommit=True) as connection:
            cursor = await connection.execute(statement, parameters)  # type: ignore[arg-type]
            return await cursor.fetchall() if cursor.description else []

    async def add_tenant(self, *, status: str = "active", slug: str | None = None) -> UUID:
        tenant_id = new_id()
        await self.as_superuser(
            "INSERT INTO control.tenants (id, slug, name, tier, status, default_currency, rate_limit_per_second, "
            "activated_at) VALUES (%s, %s, 'Test', 'shared', %s, 'USD', 5000, now())",
            tenant_id,
            slug or f"t-{tenant_id.hex[-12:]}",
            status,
        )
        return tenant_id

    async def place(self, tenant_id: UUID) -> None:
        await self.as_superuser(
            "INSERT INTO control.placements VALUES (%s, '127.0.0.1', %s, '127.0.0.1', %s, %s)",
            tenant_id, self.server.port, self.server.port, f"t{tenant_id.hex}",
        )  # fmt: skip


@pytest.fixture(scope="session")
async def prepared(postgres_server: PostgresServer) -> Secrets:
    """The platform's bootstrap has run on the server."""
    secrets = Secrets(postgres_server.port)
    administrator = {"host": "127.0.0.1", "port": postgres_server.port, "user": "postgres"}
    await prepare_platform(administrator, control_database=PREPARED, secrets=secrets)
    return secrets


@pytest.fixture
async def control(postgres_server: PostgresServer, prepared: Secrets) -> AsyncIterator[Control]:
    name = f"control_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(postgres_server.dsn("postgres"), autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {PREPARED} STRATEGY wal_log")  # type: ignore[arg-type]
        made = Control(postgres_server, name, prepared)
        yield made
        for database in made.opened:
            await database.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]
