"""Opening and changing accounts, with calls and answers lost at every step."""

import asyncio
import itertools
import json
import uuid

import pytest

from bezant.contracts.problems import Conflict, IdempotencyKeyReused, InternalCallFailed, NotFound
from bezant.services.account.domain.account import Account
from bezant.services.account.domain.changes import Change, LimitsChange, StatusChange
from bezant.services.account.domain.problems import (
    AccountClosed,
    AccountHasBalance,
    LimitsInvalid,
    OverdraftLimitInUse,
)
from bezant.services.account.operations.open_account import Answer
from bezant.services.account.operations.read_accounts import describe_account, list_accounts, read_account

from ..transaction.conftest import transfer
from .conftest import Accounts


def id_in(answer: Answer) -> uuid.UUID:
    assert answer.status == 201, answer
    return uuid.UUID(json.loads(answer.body)["id"])


def status(to: str) -> StatusChange:
    return StatusChange(status=to, actor="key:test")  # type: ignore[arg-type]


async def change(accounts: Accounts, account_id: uuid.UUID, to: str) -> Account:
    return await accounts.changing.change(accounts.tenant_id, account_id, lambda _: status(to))


async def test_an_opened_account_can_be_paid_at_once(accounts: Accounts) -> None:
    account_id = id_in(await accounts.open())
    bank = await accounts.ledger.open("settlement")
    (result,) = await accounts.ledger.post(transfer(bank, account_id, 100))
    assert result.status == "created"
    assert await accounts.events() == ["account.opened"]


async def test_the_same_key_opens_one_account_and_gets_the_same_answer(accounts: Accounts) -> None:
    answers = await asyncio.gather(*(accounts.open() for _ in range(6)))
    assert len(set(answers)) == 1
    assert await accounts.rows("SELECT count(*) FROM account.accounts") == [(1,)]
    assert await accounts.events() == ["account.opened"]


async def test_the_same_key_for_another_request_is_refused(accounts: Accounts) -> None:
    await accounts.open()
    with pytest.raises(IdempotencyKeyReused):
        await accounts.open(fingerprint=b"other")


@pytest.mark.parametrize("lost", ["lose_call", "lose_answer"])
@pytest.mark.parametrize("finished_by", ["the same request", "due work"])
async def test_a_half_opened_account_is_hidden_and_then_finished_once(
    accounts: Accounts, lost: str, finished_by: str
) -> None:
    setattr(accounts.line, lost, True)
    with pytest.raises(InternalCallFailed):
        await accounts.open()
    setattr(accounts.line, lost, False)
    page, _ = await list_accounts(
        accounts.databases,
        accounts.tenant_id,
        before=None,
        limit=10,
        filters={"account_type": None, "status": None, "currency": None},
    )
    assert page == []
    ((half_opened,),) = await accounts.rows("SELECT id FROM account.accounts")
    with pytest.raises(NotFound):
        await read_account(accounts.databases, accounts.tenant_id, half_opened)
    if finished_by == "due work":
        assert await accounts.due_work() is None
    assert id_in(await accounts.open()) == half_opened
    assert await accounts.events() == ["account.opened"]
    assert (await accounts.ledger.balance(half_opened)).found


@pytest.mark.parametrize("kind", ["merchant", "settlement", "fee"])
async def test_only_customers_take_an_overdraft_limit(accounts: Accounts, kind: str) -> None:
    with pytest.raises(LimitsInvalid):
        await accounts.open(account_type=kind, overdraft_limit_minor=1)
    assert await accounts.rows("SELECT 1 FROM account.accounts") == []


async def test_freezing_is_enforced_when_it_is_answered_and_announced_once(accounts: Accounts) -> None:
    account_id, bank = id_in(await accounts.open()), await accounts.ledger.open("settlement")
    assert (await change(accounts, account_id, "frozen")).status == "frozen"
    assert (await change(accounts, account_id, "frozen")).status == "frozen"
    (result,) = await accounts.ledger.post(transfer(bank, account_id, 1))
    assert result.reason_code == "account_frozen"
    assert (await change(accounts, account_id, "open")).status == "open"
    assert await accounts.events() == ["account.opened", "account.frozen", "account.unfrozen"]


@pytest.mark.parametrize("lost", ["lose_call", "lose_answer"])
@pytest.mark.parametrize("finished_by", ["the same request", "another change", "due work"])
async def test_a_half_made_change_is_finished_once(accounts: Accounts, lost: str, finished_by: str) -> None:
    account_id = id_in(await accounts.open())
    setattr(accounts.line, lost, True)
    with pytest.raises(InternalCallFailed):
        await change(accounts, account_id, "frozen")
    assert (await read_account(accounts.databases, accounts.tenant_id, account_id)).status == "open"
    setattr(accounts.line, lost, False)
    if finished_by == "due work":
        assert await accounts.due_work() is None
    elif finished_by == "another change":
        await accounts.changing.change(
            accounts.tenant_id,
            account_id,
            lambda _: LimitsChange(overdraft_limit_minor=5, daily_limit_minor=None, actor="key:other"),
        )
    else:
        await change(accounts, account_id, "frozen")
    assert (await read_account(accounts.databases, accounts.tenant_id, account_id)).status == "frozen"
    assert (await accounts.ledger.balance(account_id)).status == "frozen"
    assert (await accounts.events())[:2] == ["account.opened", "account.frozen"]
    assert (await accounts.events()).count("account.frozen") == 1


async def test_a_delayed_call_cannot_undo_what_was_confirmed_since(accounts: Accounts) -> None:
    account_id = id_in(await accounts.open())
    accounts.line.lose_call = True
    with pytest.raises(InternalCallFailed):
        await change(accounts, account_id, "frozen")
    accounts.line.lose_call = False
    await change(accounts, account_id, "open")
    delayed = next(call for call in accounts.line.calls if getattr(call, "status", None) == "frozen")
    result = await accounts.ledger.manage(delayed)
    assert result.reason_code == "revision_outdated"
    assert (await accounts.ledger.balance(account_id)).status == "open"


async def test_closing_is_refused_with_a_balance_and_final_without(accounts: Accounts) -> None:
    account_id, bank = id_in(await accounts.open()), await accounts.ledger.open("settlement")
    await accounts.ledger.post(transfer(bank, account_id, 10))
    with pytest.raises(AccountHasBalance):
        await change(accounts, account_id, "closed")
    await accounts.ledger.post(transfer(account_id, bank, 10))
    assert (await change(accounts, account_id, "closed")).status == "closed"
    assert (await change(accounts, account_id, "closed")).status == "closed"
    with pytest.raises(AccountClosed):
        await change(accounts, account_id, "open")
    assert await accounts.events() == ["account.opened", "account.closed"]


async def test_limits_are_enforced_when_they_are_answered(accounts: Accounts) -> None:
    account_id, bank = id_in(await accounts.open()), await accounts.ledger.open("settlement")

    def limits(overdraft: int, daily: int | None) -> Change:
        return LimitsChange(overdraft_limit_minor=overdraft, daily_limit_minor=daily, actor="key:test")

    changed = await accounts.changing.change(accounts.tenant_id, account_id, lambda _: limits(50, 30))
    assert (changed.overdraft_limit_minor, changed.daily_limit_minor) == (50, 30)
    results = await accounts.ledger.post(transfer(account_id, bank, 31), transfer(account_id, bank, 30))
    assert [result.reason_code for result in results] == ["daily_limit_exceeded", None]
    with pytest.raises(OverdraftLimitInUse):
        await accounts.changing.change(accounts.tenant_id, account_id, lambda _: limits(29, 30))
    account = await read_account(accounts.databases, accounts.tenant_id, account_id)
    assert (account.overdraft_limit_minor, account.change) == (50, None)
    assert await accounts.events() == ["account.opened", "account.limits_changed"]


async def test_concurrent_changes_end_in_what_the_ledger_enforces(accounts: Accounts) -> None:
    account_id = id_in(await accounts.open())

    async def one(to: str) -> None:
        try:
            await change(accounts, account_id, to)
        except Conflict:
            return

    for _ in range(3):
        await asyncio.gather(*(one(to) for to in ("frozen", "open", "frozen", "open")))
        account = await read_account(accounts.databases, accounts.tenant_id, account_id)
        assert account.change is None
        assert (await accounts.ledger.balance(account_id)).status == account.status
    kinds = (await accounts.events())[1:]
    assert all(kind in ("account.frozen", "account.unfrozen") for kind in kinds)
    assert all(one != other for one, other in itertools.pairwise(kinds))


async def test_an_unknown_account_is_not_found(accounts: Accounts) -> None:
    with pytest.raises(NotFound):
        await change(accounts, uuid.uuid4(), "frozen")
    with pytest.raises(NotFound):
        await describe_account(
            accounts.databases, accounts.tenant_id, uuid.uuid4(), name="x", metadata=None, actor="key:test"
        )


async def test_a_description_is_changed_and_announced(accounts: Accounts) -> None:
    account_id = id_in(await accounts.open(metadata={"a": "1"}))
    described = await describe_account(
        accounts.databases, accounts.tenant_id, account_id, name="Grace", metadata=None, actor="key:test"
    )
    assert (described.name, described.metadata) == ("Grace", {"a": "1"})
    assert await accounts.events() == ["account.opened", "account.described"]


async def test_lists_are_paged_from_the_latest(accounts: Accounts) -> None:
    ids = [id_in(await accounts.open(key=str(number))) for number in range(5)]
    nothing = {"account_type": None, "status": None, "currency": None}
    first, more = await list_accounts(accounts.databases, accounts.tenant_id, before=None, limit=3, filters=nothing)
    rest, no_more = await list_accounts(
        accounts.databases, accounts.tenant_id, before=first[-1].id, limit=3, filters=nothing
    )
    assert [account.id for account in first + rest] == ids[::-1]
    assert (more, no_more) == (True, False)
