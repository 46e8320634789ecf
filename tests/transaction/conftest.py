"""A real PostgreSQL for the ledger's tests: the run's server, one freshly cloned database a test."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
import pytest

from bezant.contracts.internal.ledger import (
    AccountType,
    Balance,
    CommandResult,
    CreateTransfer,
    OpenAccount,
    ReadBalance,
    TransferCommand,
    two_legs,
)
from bezant.foundation.control.directory import Endpoint, TenantRecord
from bezant.foundation.database.migrations import migrate, migrations_of, shared_migrations
from bezant.foundation.secrets.names import tenant_secret
from bezant.foundation.settings import Settings
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.transaction.domain.book import Submitted, SubmittedBatch
from bezant.services.transaction.operations.check_ledger import LedgerCheck, check_ledger
from bezant.services.transaction.operations.manage_account import AccountCommand, manage_account
from bezant.services.transaction.operations.post_group import Posted, Posting, post_group
from bezant.services.transaction.operations.read_balances import read_balances

from ..stores.fixtures import PostgresServer


@dataclass
class Server:
    """The run's throw-away server; `dsn` opens databases as its superuser."""

    port: int

    def dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} dbname={database} user=postgres"


@pytest.fixture(scope="session")
def server(postgres_server: PostgresServer) -> Server:
    found = Server(postgres_server.port)
    with psycopg.connect(found.dsn("postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'template_ledger'").fetchone()
        if known is None:
            connection.execute("CREATE DATABASE template_ledger")
    asyncio.run(_migrate(found))
    return found


async def _migrate(server: Server) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn("template_ledger")) as connection:
        await migrate(connection, shared_migrations())
        for service in ("transaction", "account"):
            await migrate(connection, migrations_of(service, f"bezant.services.{service}.storage.migrations"))


class OneTenantDirectory:
    """Knows every tenant, all on one server, the database named after the tenant."""

    def __init__(self, server: Server) -> None:
        self._endpoint = Endpoint("127.0.0.1", server.port)

    async def get(self, tenant_id: uuid.UUID) -> TenantRecord:
        return TenantRecord(
            tenant_id, "test", "active", "USD", {}, 1000, 1, self._endpoint, self._endpoint, f"t{tenant_id.hex}"
        )

    async def refresh(self, tenant_id: uuid.UUID) -> TenantRecord:
        return await self.get(tenant_id)

    def forget(self, tenant_id: uuid.UUID) -> None:
        """Nothing is cached."""


class TestSecrets:
    """Opens the tenant's database as the test's login role."""

    __test__ = False

    def __init__(self, server: Server, role: str) -> None:
        self._server = server
        self._role = role

    async def read(self, name: str) -> dict[str, str]:
        tenant_id = uuid.UUID(name.split("/")[2])
        url = f"postgresql://127.0.0.1:{self._server.port}/t{tenant_id.hex}"
        return tenant_secret(tenant_id, url=url, reader_url=url, user=self._role, password="")

    async def write(self, name: str, value: dict[str, str]) -> None:
        raise NotImplementedError

    async def delete(self, name: str) -> None:
        raise NotImplementedError

    async def names(self, prefix: str) -> list[str]:
        raise NotImplementedError


@dataclass
class LedgerDatabase:
    """One tenant's database: `databases` as the service's role, `superuser_dsn` to break things."""

    tenant_id: uuid.UUID
    databases: TenantDatabases
    superuser_dsn: str

    async def open(self, kind: AccountType = "customer", currency: str = "USD", **limits: Any) -> uuid.UUID:
        """Open an account and return its id."""
        command = OpenAccount(account_id=uuid.uuid4(), account_type=kind, currency=currency, actor="test", **limits)
        await self.manage(command)
        return command.account_id

    async def manage(self, command: AccountCommand) -> CommandResult:
        return await manage_account(self.databases, self.tenant_id, command)

    async def post(self, *items: Submitted | SubmittedBatch | TransferCommand) -> list[CommandResult]:
        """Post a group as the public API would."""
        postings = [
            Posting(item if isinstance(item, Submitted | SubmittedBatch) else Submitted(item, "ledger"))
            for item in items
        ]
        results = []
        for posted in await post_group(self.databases, self.tenant_id, postings):
            assert isinstance(posted, Posted), posted
            assert posted.result is not None
            results.append(posted.result)
        return results

    async def balance(self, account_id: uuid.UUID) -> Balance:
        return (await read_balances(self.databases, self.tenant_id, [ReadBalance(account_id=account_id)]))[0]

    async def check(self) -> LedgerCheck:
        return await check_ledger(self.databases, self.tenant_id)

    async def rows(self, query: LiteralString) -> list[tuple[Any, ...]]:
        async with self.databases.transaction(self.tenant_id) as tx:
            return await tx.fetch_all(query)

    async def as_superuser(self, *statements: LiteralString, unguarded: bool = False) -> None:
        """Run statements as the owner; `unguarded` past every trigger, as an attacker with the disk would."""
        async with await psycopg.AsyncConnection.connect(self.superuser_dsn) as connection:
            if unguarded:
                await connection.execute("SET session_replication_role = replica")
            for statement in statements:
                await connection.execute(statement)


async def no_hint(_: uuid.UUID) -> None:
    """Without a control database there is nobody to leave a hint for."""


def databases_of(server: Server, service: str, role: str) -> TenantDatabases:
    """Return the tenant databases as a service's role sees them."""
    return TenantDatabases(
        service=service,
        directory=OneTenantDirectory(server),  # type: ignore[arg-type]
        secrets=TestSecrets(server, role),
        settings=Settings(),
        before_events=no_hint,
        on_commit=lambda _, rows: None,
    )


@asynccontextmanager
async def new_tenant(server: Server, databases: TenantDatabases) -> AsyncIterator[LedgerDatabase]:
    """Clone the template for a tenant; the clone goes with the server."""
    tenant_id = uuid.uuid4()
    name = f"t{tenant_id.hex}"
    async with await psycopg.AsyncConnection.connect(server.dsn("postgres"), autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE template_ledger")
        yield LedgerDatabase(tenant_id, databases, server.dsn(name))
        await databases.forget(tenant_id)


@pytest.fixture(scope="session")
async def databases(server: Server) -> AsyncIterator[TenantDatabases]:
    found = databases_of(server, "transaction", "test_ledger")
    yield found
    await found.close()


@pytest.fixture
async def ledger(server: Server, databases: TenantDatabases) -> AsyncIterator[LedgerDatabase]:
    async with new_tenant(server, databases) as tenant:
        yield tenant


@pytest.fixture
async def other_ledger(server: Server, databases: TenantDatabases) -> AsyncIterator[LedgerDatabase]:
    """Another tenant of the same process."""
    async with new_tenant(server, databases) as tenant:
        yield tenant


def transfer(debit: uuid.UUID, credit: uuid.UUID, amount_minor: int, **fields: Any) -> CreateTransfer:
    """Return a transfer of dollars with two legs."""
    return CreateTransfer(
        id=fields.pop("id", None) or uuid.uuid4(),
        currency=fields.pop("currency", "USD"),
        legs=two_legs(debit_account_id=debit, credit_account_id=credit, amount_minor=amount_minor),
        actor="test",
        **fields,
    )
