"""What other services may ask of the ledger, and on whose behalf it is then done."""

import uuid
from typing import Any

import msgspec
import pytest

from bezant.contracts.internal.ledger import (
    AtomicBatch,
    LedgerCommand,
    LookupTransfer,
    OpenAccount,
    PostPending,
    ReadStatement,
    SetAccountLimits,
    SetAccountStatus,
    VoidPending,
)
from bezant.contracts.problems import Forbidden
from bezant.services.transaction.api.internal import work_of
from bezant.services.transaction.domain.book import Submitted, SubmittedBatch
from bezant.services.transaction.operations.post_group import Posting
from bezant.services.transaction.operations.read_closing_state import read_closing_state
from bezant.services.transaction.operations.read_statement import read_statement
from bezant.services.transaction.operations.read_transfers import look_up_transfers

from .conftest import LedgerDatabase, transfer

NOBODY = uuid.uuid4()
MOVING = [
    transfer(NOBODY, NOBODY, 1),
    VoidPending(id=NOBODY, pending_id=NOBODY, actor="x"),
    AtomicBatch(id=NOBODY, commands=[transfer(NOBODY, NOBODY, 1)]),
]
MANAGING = [
    OpenAccount(account_id=NOBODY, account_type="customer", currency="USD", actor="x"),
    SetAccountStatus(account_id=NOBODY, revision=1, status="frozen", actor="x"),
    SetAccountLimits(account_id=NOBODY, revision=1, actor="x"),
]


@pytest.mark.parametrize("command", MOVING, ids=lambda command: type(command).__name__)
def test_only_the_payment_service_moves_money_and_under_its_own_name(command: Any) -> None:
    for caller in ("account", "fraud", "tenant"):
        with pytest.raises(Forbidden):
            work_of(caller, command)
    work = work_of("payment", command)
    assert isinstance(work, Posting)
    assert {submitted.origin for submitted in work.commands} == {"payment"}


@pytest.mark.parametrize("command", MANAGING, ids=lambda command: type(command).__name__)
def test_only_the_account_service_manages_accounts(command: Any) -> None:
    for caller in ("payment", "fraud", "tenant"):
        with pytest.raises(Forbidden):
            work_of(caller, command)
    assert work_of("account", command) is command


@pytest.mark.parametrize("command", MOVING + MANAGING, ids=lambda command: type(command).__name__)
def test_commands_survive_the_wire(command: Any) -> None:
    sent = msgspec.json.encode([command])
    assert msgspec.json.decode(sent, type=list[LedgerCommand]) == [command]


async def test_a_look_up_says_what_became_of_each_transfer(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    plain = transfer(bank, customer, 50)
    hold = transfer(customer, bank, 30, pending=True)
    await ledger.post(plain, hold)
    capture = PostPending(id=uuid.uuid4(), pending_id=hold.id, amount_minor=20, actor="x")
    await ledger.post(Submitted(capture, "ledger"))
    questions = [LookupTransfer(transfer_id=asked) for asked in (hold.id, NOBODY, plain.id, capture.id)]
    of_hold, of_nobody, of_plain, of_capture = await look_up_transfers(ledger.databases, ledger.tenant_id, questions)
    assert (of_hold.kind, of_hold.hold_state, of_hold.posted_minor) == ("pending", "posted", 20)
    assert of_hold.resolved_by == capture.id
    assert not of_nobody.found
    assert (of_plain.kind, of_plain.amount_minor, of_plain.hold_state) == ("transfer", 50, None)
    assert (of_capture.kind, of_capture.amount_minor) == ("post", 20)


async def test_the_closing_state_counts_holds_and_what_customers_still_have(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    fee, shop = await ledger.open("fee"), await ledger.open("merchant")
    await ledger.post(transfer(bank, customer, 10), transfer(bank, fee, 5), transfer(bank, shop, 5))
    await ledger.post(transfer(customer, bank, 1, pending=True))
    state = await read_closing_state(ledger.databases, ledger.tenant_id)
    assert (state.open_holds, state.accounts_with_customer_balance) == (1, 2)


async def test_a_statement_of_nobody_is_not_found_and_one_of_nothing_is_empty(ledger: LedgerDatabase) -> None:
    question = ReadStatement(account_id=NOBODY)
    assert not (await read_statement(ledger.databases, ledger.tenant_id, question)).found
    account = await ledger.open()
    statement = await read_statement(ledger.databases, ledger.tenant_id, ReadStatement(account_id=account))
    assert (statement.found, statement.entries, statement.next_version) == (True, [], None)


def test_a_batch_keeps_its_order() -> None:
    commands = [transfer(NOBODY, NOBODY, amount) for amount in range(1, 9)]
    work = work_of("payment", AtomicBatch(id=NOBODY, commands=list(commands)))
    assert isinstance(work, Posting)
    assert isinstance(work.item, SubmittedBatch)
    assert work.item.atomic
    assert [submitted.command for submitted in work.commands] == commands
