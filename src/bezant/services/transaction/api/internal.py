"""What other services may ask of the ledger."""

import asyncio
from typing import Final
from uuid import UUID

from bezant.contracts.internal.ledger import (
    AtomicBatch,
    ClosingState,
    CommandResult,
    CreateTransfer,
    LedgerCommand,
    LookupTransfer,
    OpenAccount,
    PostPending,
    ReadBalance,
    ReadStatement,
    Reverse,
    SetAccountLimits,
    SetAccountStatus,
    Statement,
    VoidPending,
)
from bezant.contracts.problems import Forbidden
from bezant.foundation.internal_calls import PartsRoute, parts_route
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.transaction.domain.book import Submitted, SubmittedBatch
from bezant.services.transaction.operations.post_group import Posting
from bezant.services.transaction.operations.read_balances import read_balances
from bezant.services.transaction.operations.read_closing_state import read_closing_state
from bezant.services.transaction.operations.read_statement import read_statement
from bezant.services.transaction.operations.read_transfers import look_up_transfers
from bezant.services.transaction.operations.write_group import Work, Writer

_PREFIX: Final = "/internal/v1/ledger"
_CALLERS: Final = {"account", "payment"}


def internal_routes(databases: TenantDatabases, writer: Writer) -> list[PartsRoute]:
    """Return the routes below `/internal/v1/ledger`, each for the services that need it alone."""

    async def commands(tenant_id: UUID, caller: str, items: list[LedgerCommand]) -> list[CommandResult]:
        works = [work_of(caller, command) for command in items]
        written = await asyncio.gather(*(writer.write(tenant_id, work) for work in works))
        return [posted.result for posted in written if posted.result is not None]

    async def balances(tenant_id: UUID, _: str, items: list[ReadBalance]) -> list[object]:
        return list(await read_balances(databases, tenant_id, items))

    async def statement(tenant_id: UUID, _: str, items: list[ReadStatement]) -> list[Statement]:
        return [await read_statement(databases, tenant_id, item) for item in items]

    async def lookup(tenant_id: UUID, _: str, items: list[LookupTransfer]) -> list[object]:
        return list(await look_up_transfers(databases, tenant_id, items))

    async def closing(tenant_id: UUID, _: str, items: list[None]) -> list[ClosingState]:
        return [await read_closing_state(databases, tenant_id)] * len(items)

    return [
        parts_route(f"{_PREFIX}/commands", commands, item_type=LedgerCommand, callers=_CALLERS),
        parts_route(f"{_PREFIX}/balances", balances, item_type=ReadBalance, callers=_CALLERS),
        parts_route(f"{_PREFIX}/statement", statement, item_type=ReadStatement, callers={"account"}),
        parts_route(f"{_PREFIX}/lookup", lookup, item_type=LookupTransfer, callers={"payment"}),
        parts_route(f"{_PREFIX}/closing", closing, item_type=None, callers={"tenant"}),
    ]


def work_of(caller: str, command: LedgerCommand) -> Work:
    """Return what is to be written, on the caller's behalf. Raises `Forbidden` when it may not ask for this."""
    if isinstance(command, OpenAccount | SetAccountStatus | SetAccountLimits):
        if caller != "account":
            raise Forbidden(f"the {caller} service may not manage accounts")
        return command
    if caller != "payment":
        raise Forbidden(f"the {caller} service may not move money")
    if isinstance(command, AtomicBatch):
        return Posting(SubmittedBatch(command.id, tuple(Submitted(linked, "payment") for linked in command.commands)))
    assert isinstance(command, CreateTransfer | PostPending | VoidPending | Reverse)
    return Posting(Submitted(command, "payment"))
