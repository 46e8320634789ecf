"""What the database refuses, whatever code is in front of it."""

import uuid
from typing import LiteralString

import psycopg
import pytest

from bezant.contracts.internal.ledger import PostPending, VoidPending

from .conftest import LedgerDatabase, transfer


async def funded(ledger: LedgerDatabase, amount_minor: int = 100) -> tuple[uuid.UUID, uuid.UUID]:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    (result,) = await ledger.post(transfer(bank, customer, amount_minor))
    assert result.status == "created"
    return bank, customer


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.entries SET amount_minor = 1",
        "UPDATE ledger.transfers SET reference = 'other'",
        "DELETE FROM ledger.entries",
        "DELETE FROM ledger.transfers",
        "DELETE FROM ledger.accounts",
        "DELETE FROM ledger.holds",
        "TRUNCATE ledger.entries",
        "TRUNCATE ledger.transfers CASCADE",
        "TRUNCATE ledger.accounts",
        "DELETE FROM ledger.entries WHERE false",
    ],
)
async def test_history_cannot_be_changed_even_by_the_owner(ledger: LedgerDatabase, statement: LiteralString) -> None:
    await funded(ledger)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="immutable"):
        await ledger.as_superuser(statement)
    assert (await ledger.check()).consistent


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.accounts SET posted_credits = posted_credits + 1",
        "INSERT INTO ledger.accounts (id, account_type, currency, normal_side, posted_credits) "
        "VALUES (gen_random_uuid(), 'customer', 'USD', 'credit', 100)",
        "UPDATE ledger.entries SET amount_minor = 1",
        "DELETE FROM ledger.transfers",
        "TRUNCATE ledger.entries",
        "ALTER TABLE ledger.entries DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "SELECT ledger.apply_entries()",
    ],
)
async def test_the_services_role_may_not_touch_balances_or_history(
    ledger: LedgerDatabase, statement: LiteralString
) -> None:
    await funded(ledger)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await ledger.rows(statement)


INSERT_TRANSFER: LiteralString = (
    "INSERT INTO ledger.transfers (id, kind, currency, amount_minor, line_count, origin, reference, metadata, "
    "fingerprint, actor, created_at) VALUES (%(id)s, 'transfer', 'USD', 10, 2, 'ledger', '', '{}', '', 'x', now())"
)
INSERT_ENTRIES: LiteralString = (
    "INSERT INTO ledger.entries SELECT %(id)s, leg, account, direction, 'posted', amount, NULL, version, 0, now() "
    "FROM unnest(%(legs)s::smallint[], %(accounts)s::uuid[], %(directions)s::text[], %(amounts)s::bigint[], "
    "%(versions)s::bigint[]) AS e(leg, account, direction, amount, version)"
)


async def insert_raw(
    ledger: LedgerDatabase, accounts: list[uuid.UUID], amounts: list[int], versions: list[int], legs: list[int]
) -> None:
    directions = ["debit", "credit", "credit"][: len(accounts)]
    async with ledger.databases.transaction(ledger.tenant_id) as tx:
        parameters = {
            "id": uuid.uuid4(),
            "legs": legs,
            "accounts": accounts,
            "directions": directions,
            "amounts": amounts,
            "versions": versions,
        }
        await tx.execute(INSERT_TRANSFER, parameters)
        await tx.execute(INSERT_ENTRIES, parameters)


async def test_a_transfer_written_past_the_code_moves_the_balances(ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    await insert_raw(ledger, [customer, bank], [10, 10], [2, 2], [0, 1])
    assert (await ledger.balance(customer)).posted_minor == 90


@pytest.mark.parametrize(
    ("amounts", "legs"),
    [([10, 9], [0, 1]), ([10, 10], [0, 2]), ([10, 5, 5], [0, 1, 2])],
    ids=["unbalanced", "gap in legs", "more lines than announced"],
)
async def test_a_transfer_that_does_not_balance_or_is_incomplete_is_refused(
    ledger: LedgerDatabase, amounts: list[int], legs: list[int]
) -> None:
    bank, customer = await funded(ledger)
    other = await ledger.open()
    accounts = [customer, bank, other][: len(amounts)]
    with pytest.raises(psycopg.errors.CheckViolation, match="do not balance"):
        await insert_raw(ledger, accounts, amounts, [2, 2, 1][: len(amounts)], legs)
    assert (await ledger.check()).consistent


async def test_lines_cannot_be_added_to_a_transfer_later(ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    (transfer_id,) = [row[0] for row in await ledger.rows("SELECT id FROM ledger.transfers")]
    with pytest.raises(psycopg.errors.CheckViolation):
        async with ledger.databases.transaction(ledger.tenant_id) as tx:
            await tx.execute(
                INSERT_ENTRIES,
                {
                    "id": transfer_id,
                    "legs": [2, 3],
                    "accounts": [customer, bank],
                    "directions": ["debit", "credit"],
                    "amounts": [10, 10],
                    "versions": [2, 2],
                },
            )


async def test_an_overdraft_is_refused_by_the_database(ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    with pytest.raises(psycopg.errors.CheckViolation, match="accounts_within_overdraft_limit"):
        await insert_raw(ledger, [customer, bank], [101, 101], [2, 2], [0, 1])


async def test_an_entry_out_of_order_is_refused(ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    with pytest.raises(psycopg.errors.SerializationFailure):
        await insert_raw(ledger, [customer, bank], [10, 10], [3, 2], [0, 1])


async def test_a_transfer_in_another_currency_than_its_account_is_refused(ledger: LedgerDatabase) -> None:
    _, customer = await funded(ledger)
    yen = await ledger.open("settlement", "JPY")
    with pytest.raises(psycopg.errors.CheckViolation):
        await insert_raw(ledger, [customer, yen], [10, 10], [2, 1], [0, 1])


async def test_a_hold_cannot_be_resolved_twice_past_the_code(ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    hold = transfer(customer, bank, 10, pending=True)
    await ledger.post(hold)
    await ledger.post(VoidPending(id=uuid.uuid4(), pending_id=hold.id, actor="test"))
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
        await ledger.rows("UPDATE ledger.holds SET state = 'pending', resolved_by = NULL")


CORRUPTIONS: dict[str, tuple[LiteralString, str, str]] = {
    "amount of one entry": (
        "UPDATE ledger.entries SET amount_minor = 99 WHERE phase = 'posted' AND direction = 'credit' "
        "AND amount_minor = 100",
        "transfers",
        "credits equal to posted debits",
    ),
    "both entries of a transfer": (
        "UPDATE ledger.entries SET amount_minor = 99 WHERE phase = 'posted' AND amount_minor = 100",
        "balances",
        "posted_credits",
    ),
    "a balance": (
        "UPDATE ledger.accounts SET posted_credits = posted_credits + 1 WHERE posted_credits > 0",
        "balances",
        "posted_credits",
    ),
    "a running balance": (
        "UPDATE ledger.entries SET balance_after_minor = 7 WHERE account_version = 1",
        "running_balances",
        "balance_after_minor",
    ),
    "an entry deleted": (
        "DELETE FROM ledger.entries WHERE phase = 'pending' AND direction = 'debit'",
        "pending_sums",
        "pending_debits of open holds",
    ),
    "a hold's state": (
        "UPDATE ledger.holds SET state = 'voided', resolved_by = gen_random_uuid() WHERE state = 'pending'",
        "holds",
        "state",
    ),
    "a posted amount": (
        "UPDATE ledger.holds SET posted_amount_minor = 6 WHERE state = 'posted'",
        "holds",
        "posted_amount_minor",
    ),
    "a currency": ("UPDATE ledger.transfers SET currency = 'EUR'", "currencies", "currency"),
    "a transfer deleted": (
        "DELETE FROM ledger.transfers WHERE kind = 'post'",
        "transfers",
        "line_count",
    ),
    "what counts against a day": (
        "UPDATE ledger.accounts SET limit_day_out_minor = 1 WHERE account_type = 'customer'",
        "daily_sums",
        "limit_day_out_minor",
    ),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
async def test_the_check_names_what_was_corrupted(ledger: LedgerDatabase, name: str) -> None:
    statement, check, field = CORRUPTIONS[name]
    bank, customer = await funded(ledger)
    first, second = transfer(customer, bank, 10, pending=True), transfer(customer, bank, 20, pending=True)
    await ledger.post(first, second)
    await ledger.post(PostPending(id=uuid.uuid4(), pending_id=first.id, amount_minor=5, actor="test"))
    assert (await ledger.check()).consistent
    await ledger.as_superuser(statement, unguarded=True)
    found = await ledger.check()
    assert not found.consistent
    assert (check, field) in {(difference.check, difference.field) for difference in found.differences}
    assert all(difference.expected != difference.found for difference in found.differences)
