"""The account service on a real database, with the ledger's own operations behind a line that can be cut."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bezant.contracts.internal.ledger import CommandResult, ReadBalance, ReadStatement
from bezant.contracts.problems import InternalCallFailed
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.account.api.rendering import account_body
from bezant.services.account.ledger import Ledger
from bezant.services.account.operations.change_account import ChangeAccounts
from bezant.services.account.operations.finish_unfinished import finish_unfinished
from bezant.services.account.operations.open_account import Answer, OpenAccounts, Opening
from bezant.services.transaction.operations.read_statement import read_statement

from ..transaction.conftest import (
    LedgerDatabase,
    Server,
    databases,  # noqa: F401 - a fixture
    databases_of,
    ledger,  # noqa: F401 - a fixture
    other_ledger,  # noqa: F401 - a fixture
    server,  # noqa: F401 - a fixture
)


@dataclass
class Line:
    """Stands for the network to the transaction service: calls its operations, or loses call or answer."""

    ledger: LedgerDatabase
    lose_call: bool = False
    lose_answer: bool = False
    calls: list[Any] = field(default_factory=list)

    async def call(
        self, audience: str, operation: str, tenant_id: uuid.UUID, items: Sequence[Any], _: Any
    ) -> list[Any]:
        assert audience == "transaction"
        if self.lose_call:
            raise InternalCallFailed("the call was lost")
        self.calls.extend(items)
        results: list[Any] = []
        for item in items:
            if isinstance(item, ReadBalance):
                results.append(await self.ledger.balance(item.account_id))
            elif isinstance(item, ReadStatement):
                results.append(await read_statement(self.ledger.databases, tenant_id, item))
            else:
                result: CommandResult = await self.ledger.manage(item)
                results.append(result)
        if self.lose_answer:
            raise InternalCallFailed("the answer was lost")
        return results


class NoHints:
    """Due work without a control database; the tests run the handler themselves."""

    async def guard(self, *_: object) -> None:
        """Nobody to tell."""


@dataclass
class Accounts:
    """The account service's operations for one tenant."""

    tenant_id: uuid.UUID
    databases: TenantDatabases
    line: Line
    opening: OpenAccounts
    changing: ChangeAccounts
    ledger: LedgerDatabase

    async def open(self, key: str = "key", fingerprint: bytes = b"same", **fields: Any) -> Answer:
        asked: dict[str, Any] = {
            "name": "Ada",
            "account_type": "customer",
            "currency": "USD",
            "overdraft_limit_minor": 0,
            "daily_limit_minor": None,
            "metadata": {},
            "actor": "key:test",
            **fields,
        }
        return await self.opening.open(self.tenant_id, Opening(key=key, fingerprint=fingerprint, **asked))

    async def due_work(self) -> object:
        return await finish_unfinished(
            self.databases, self.opening, self.changing, self.tenant_id, older_than_seconds=0
        )

    async def rows(self, query: Any) -> list[tuple[Any, ...]]:
        async with self.databases.transaction(self.tenant_id) as tx:
            return await tx.fetch_all(query)

    async def events(self) -> list[str]:
        query = "SELECT envelope::jsonb->>'type' FROM account.outbox ORDER BY n"
        return [row[0] for row in await self.rows(query)]


@asynccontextmanager
async def accounts_of(postgres: Server, tenant: LedgerDatabase) -> AsyncIterator[Accounts]:
    """Wire the account service's operations for one tenant, with its own database role."""
    own_databases = databases_of(postgres, "account", "test_account")
    line = Line(tenant)
    port = Ledger(line)  # type: ignore[arg-type]
    hints: Any = NoHints()
    opening = OpenAccounts(own_databases, port, hints, account_body)
    changing = ChangeAccounts(own_databases, port, hints)
    yield Accounts(tenant.tenant_id, own_databases, line, opening, changing, tenant)
    await own_databases.close()


@pytest.fixture
async def accounts(server: Server, ledger: LedgerDatabase) -> AsyncIterator[Accounts]:  # noqa: F811 - fixtures
    async with accounts_of(server, ledger) as found:
        yield found
