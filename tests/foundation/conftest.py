"""A real control database, made by the platform's own bootstrap and empty at the start of each test."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest

from bezant.contracts.identifiers import new_id
from bezant.foundation.control.bootstrap import prepare_platform
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.settings import Settings

from ..stores.fixtures import Directory, PostgresServer, Secrets, Stores

PREPARED = "control_of_tests"


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
    """The control database as a test sees it."""

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
    made = Control(postgres_server, PREPARED, prepared)
    yield made
    for database in made.opened:
        await database.close()
    for table in (
        "late_migrations",
        "placements",
        "approvals",
        "exports",
        "api_keys",
        "operators",
        "sign_ins",
        "tenants",
        "instances",
        "due_work",
        "parked_events",
        "outbox",
    ):
        await made.as_superuser(f"DELETE FROM control.{table}")


@dataclass
class ReusedStores(Stores):
    """Hands the tenants of earlier tests out again, emptied: making a database is most of such a test's time."""

    spare: list[UUID] = field(default_factory=list)

    async def new_tenant(self) -> UUID:
        if not self.spare:
            return await super().new_tenant()
        tenant_id = self.spare.pop()
        self.directory.tenants.add(tenant_id)
        return tenant_id


@pytest.fixture(scope="session")
def spare_tenants() -> list[UUID]:
    return []


@pytest.fixture
async def stores(postgres_server: PostgresServer, spare_tenants: list[UUID]) -> AsyncIterator[Stores]:
    stores = ReusedStores(
        postgres_server, Directory(postgres_server.port), Secrets(postgres_server.port), spare=spare_tenants
    )
    yield stores
    for databases in stores.opened.values():
        await databases.close()
    for tenant_id in stores.directory.tenants:
        # DELETE, not TRUNCATE: of a few rows it is the faster one
        await stores.as_superuser(
            tenant_id,
            "WITH a AS (DELETE FROM payment.outbox), b AS (DELETE FROM payment.inbox), "
            "c AS (DELETE FROM payment.idempotency), d AS (DELETE FROM account.idempotency), "
            "e AS (DELETE FROM idempotency.keys) "
            "UPDATE payment.relay_state SET broker_generation = 0",
        )
    spare_tenants.extend(stores.directory.tenants)
