"""Groups of commands on a real database: results as if one by one, whoever races whom."""

import asyncio
import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from bezant.contracts.internal.ledger import (
    CommandResult,
    CreateTransfer,
    Leg,
    PostPending,
    Reverse,
    SetAccountLimits,
    SetAccountStatus,
    VoidPending,
)
from bezant.services.transaction.domain.book import Submitted, SubmittedBatch
from bezant.services.transaction.operations.expire_holds import expire_holds

from .conftest import LedgerDatabase, transfer
from .histories import Histories, Item, accounts
from .test_domain_histories import make, statuses


async def open_all(ledger: LedgerDatabase, seed: int) -> Histories:
    rng = random.Random(seed)
    opened = accounts(rng)
    for command in opened:
        await ledger.manage(command)
    return Histories(rng, opened)


def outcome(result: CommandResult) -> tuple[object, ...]:
    parts = None if result.parts is None else tuple(outcome(part) for part in result.parts)
    return result.status, result.reason_code, result.amount_minor, result.hold_state, parts


@pytest.mark.parametrize("seed", range(6))
async def test_random_histories_agree_with_the_oracle_and_the_check(ledger: LedgerDatabase, seed: int) -> None:
    histories = await open_all(ledger, seed)
    _, _, oracle = make(seed)
    rng = random.Random(seed)
    for _ in range(12):
        items: list[Item] = [histories.item() for _ in range(rng.randint(1, 30))]
        results = await ledger.post(*items)
        assert [statuses(result) for result in results] == [oracle.judge(item) for item in items]
    check = await ledger.check()
    assert check.consistent, check.differences
    assert check.transfers > 30
    for account_id in oracle.opened:
        balance = await ledger.balance(account_id)
        assert balance.posted_minor == oracle.posted(account_id)
        assert balance.pending_outgoing_minor == oracle.held(account_id, "debit")


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 140))
async def test_long_concurrent_histories_leave_consistent_books(ledger: LedgerDatabase, seed: int) -> None:
    histories = await open_all(ledger, seed)
    rng = random.Random(seed)
    groups = [[histories.item() for _ in range(rng.randint(1, 60))] for _ in range(60)]

    async def worker(mine: list[list[Item]]) -> None:
        for group in mine:
            await ledger.post(*group)
            await expire_holds(ledger.databases, ledger.tenant_id)

    await asyncio.gather(*(worker(groups[number::6]) for number in range(6)))
    check = await ledger.check()
    assert check.consistent, check.differences


async def test_concurrent_random_histories_leave_consistent_books(ledger: LedgerDatabase) -> None:
    histories = await open_all(ledger, 99)
    groups = [[histories.item() for _ in range(20)] for _ in range(24)]

    async def worker(mine: list[list[Item]]) -> list[CommandResult]:
        return [result for group in mine for result in await ledger.post(*group)]

    results = await asyncio.gather(*(worker(groups[number::4]) for number in range(4)))
    check = await ledger.check()
    assert check.consistent, check.differences
    created = {
        part.id
        for found in results
        for result in found
        for part in result.parts or [result]
        if part.status == "created"
    }
    assert check.transfers == len(created)


async def test_grouped_and_single_posting_come_to_the_same(ledger: LedgerDatabase) -> None:
    histories = await open_all(ledger, 7)
    book, same, _ = make(7)
    from bezant.services.transaction.domain.posting import decide_group

    items = [histories.item() for _ in range(60)]
    again = [same.item() for _ in range(60)]
    assert items == again
    grouped = await ledger.post(*items)
    single = [decide_group(book, [item]).results[0] for item in again]
    assert [outcome(result) for result in grouped] == [outcome(result) for result in single]


async def test_two_groups_that_overdraw_together_cannot_both_succeed(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    await ledger.post(transfer(bank, customer, 100))
    results = await asyncio.gather(*(ledger.post(transfer(customer, bank, 60)) for _ in range(8)))
    found = [result.reason_code for (result,) in results]
    assert sorted(found, key=str) == [None, *["insufficient_funds"] * 7]
    assert (await ledger.balance(customer)).posted_minor == 40


async def test_the_daily_limit_cannot_be_raced(ledger: LedgerDatabase) -> None:
    bank = await ledger.open("settlement")
    customer = await ledger.open(daily_limit_minor=100)
    await ledger.post(transfer(bank, customer, 1000))
    results = await asyncio.gather(*(ledger.post(transfer(customer, bank, 30)) for _ in range(8)))
    found = [result.reason_code for (result,) in results]
    assert found.count(None) == 3
    assert found.count("daily_limit_exceeded") == 5
    assert (await ledger.balance(customer)).daily_used_minor == 90


async def test_transfers_that_lock_accounts_in_opposite_orders_do_not_deadlock(ledger: LedgerDatabase) -> None:
    bank, one, other = await ledger.open("settlement"), await ledger.open(), await ledger.open()
    await ledger.post(transfer(bank, one, 1000), transfer(bank, other, 1000))

    async def back_and_forth(first: uuid.UUID, second: uuid.UUID) -> None:
        for _ in range(25):
            (result,) = await ledger.post(transfer(first, second, 1))
            assert result.status == "created"

    await asyncio.gather(*(back_and_forth(*pair) for pair in ((one, other), (other, one), (bank, one), (one, bank))))
    assert (await ledger.check()).consistent


async def test_the_same_id_from_many_at_once_has_one_effect(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    command = transfer(bank, customer, 10)
    results = await asyncio.gather(*(ledger.post(command) for _ in range(6)))
    assert sorted(result.status for (result,) in results) == ["created", *["exists"] * 5]
    assert len({result.created_at for (result,) in results}) == 1
    assert (await ledger.balance(customer)).posted_minor == 10


async def test_the_same_id_on_different_accounts_at_once_has_one_effect(ledger: LedgerDatabase) -> None:
    bank = await ledger.open("settlement")
    customers = [await ledger.open() for _ in range(4)]
    banks = [await ledger.open("settlement") for _ in range(4)]
    own_id = uuid.uuid4()
    results = await asyncio.gather(
        *(
            ledger.post(transfer(source, customer, 10, id=own_id))
            for source, customer in zip(banks, customers, strict=True)
        )
    )
    assert sorted(str(result.reason_code) for (result,) in results) == ["None", *["transfer_id_reused"] * 3]
    assert bank is not None
    assert (await ledger.check()).transfers == 1


async def test_a_failing_item_leaves_its_neighbours_alone(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    results = await ledger.post(
        transfer(bank, customer, 10),
        transfer(customer, bank, 11),
        transfer(customer, uuid.uuid4(), 1),
        transfer(customer, bank, 10),
    )
    assert [result.reason_code for result in results] == [None, "insufficient_funds", "account_not_found", None]


async def test_an_item_that_the_database_refuses_leaves_its_neighbours_alone(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    # The API refuses NUL characters; should one come through, PostgreSQL's text cannot hold it.
    results = await ledger.post(
        transfer(bank, customer, 10), transfer(bank, customer, 20, reference="\x00"), transfer(bank, customer, 30)
    )
    assert [result.reason_code for result in results] == [None, "refused_by_database", None]
    assert (await ledger.balance(customer)).posted_minor == 40


async def test_an_atomic_batch_is_all_or_nothing(ledger: LedgerDatabase) -> None:
    bank, one, other = await ledger.open("settlement"), await ledger.open(), await ledger.open()

    def batch(*commands: CreateTransfer, atomic: bool) -> SubmittedBatch:
        return SubmittedBatch(uuid.uuid4(), tuple(Submitted(command, "ledger") for command in commands), atomic)

    good = (transfer(bank, one, 100), transfer(one, other, 60))
    bad = (transfer(bank, one, 5), transfer(one, other, 1000), transfer(bank, other, 1))
    done, undone, apart = await ledger.post(
        batch(*good, atomic=True), batch(*bad, atomic=True), batch(*bad, atomic=False)
    )
    assert done.status == "created"
    assert undone.status == "refused"
    assert undone.reason_code == "insufficient_funds"
    assert [part.reason_code for part in undone.parts or []] == [
        "linked_transfer_refused",
        "insufficient_funds",
        "linked_transfer_refused",
    ]
    assert [part.status for part in apart.parts or []] == ["created", "refused", "created"]
    assert (await ledger.balance(one)).posted_minor == 45
    assert (await ledger.balance(other)).posted_minor == 61
    again = await ledger.post(batch(*good, atomic=True))
    assert [part.status for part in again[0].parts or []] == ["exists", "exists"]
    assert (await ledger.check()).consistent


async def test_a_fee_known_only_at_capture_goes_where_the_legs_say(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    merchant, fee = await ledger.open("merchant"), await ledger.open("fee")
    await ledger.post(transfer(bank, customer, 1000))
    hold = transfer(customer, merchant, 1000, pending=True)
    await ledger.post(hold)
    legs = [Leg(customer, "debit", 600), Leg(merchant, "credit", 582), Leg(fee, "credit", 18)]
    (result,) = await ledger.post(PostPending(id=uuid.uuid4(), pending_id=hold.id, legs=legs, actor="test"))
    assert (result.amount_minor, result.hold_state) == (600, "posted")
    posted = [(await ledger.balance(account)).posted_minor for account in (customer, merchant, fee)]
    assert posted == [400, 582, 18]
    (result,) = await ledger.post(Reverse(id=uuid.uuid4(), transfer_id=result.id, actor="test"))
    assert result.status == "created"
    assert (await ledger.balance(customer)).posted_minor == 1000
    assert (await ledger.check()).consistent


async def test_a_hold_cannot_be_posted_after_its_expiry_and_is_released_by_due_work(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    await ledger.post(transfer(bank, customer, 100))
    soon = transfer(customer, bank, 60, pending=True, expires_at=datetime.now(UTC) + timedelta(seconds=2))
    late = transfer(customer, bank, 20, pending=True, expires_at=datetime.now(UTC) + timedelta(days=7))
    assert [result.status for result in await ledger.post(soon, late)] == ["created", "created"]
    while True:
        following = await expire_holds(ledger.databases, ledger.tenant_id)
        if (await ledger.balance(customer)).pending_outgoing_minor == 20:
            break
        if datetime.now(UTC) > soon.expires_at:  # type: ignore[operator]
            results = await ledger.post(
                PostPending(id=uuid.uuid4(), pending_id=soon.id, actor="test"),
                VoidPending(id=uuid.uuid4(), pending_id=soon.id, actor="test"),
            )
            assert {result.reason_code for result in results} == {"hold_expired"}
    assert following == late.expires_at
    assert (await ledger.balance(customer)).available_minor == 80
    (result,) = await ledger.post(PostPending(id=uuid.uuid4(), pending_id=soon.id, actor="test"))
    assert result.reason_code == "hold_expired"
    events = await ledger.rows("SELECT envelope::jsonb->>'type', partition_key FROM ledger.outbox ORDER BY n")
    assert ("transfer.expired", f"{ledger.tenant_id}/{soon.id}") in events
    assert (await ledger.check()).consistent


async def test_expired_holds_are_released_once_by_two_replicas(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    await ledger.post(transfer(bank, customer, 100))
    expiry = datetime.now(UTC) + timedelta(seconds=2)
    await ledger.post(*(transfer(customer, bank, 1, pending=True, expires_at=expiry) for _ in range(20)))
    while (await ledger.balance(customer)).pending_outgoing_minor:
        await asyncio.gather(*(expire_holds(ledger.databases, ledger.tenant_id) for _ in range(3)))
    check = await ledger.check()
    assert check.consistent
    assert check.transfers == 41


async def test_policy_is_enforced_once_it_is_answered(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    await ledger.post(transfer(bank, customer, 100))

    async def status(revision: int, to: str) -> str | None:
        command = SetAccountStatus(account_id=customer, revision=revision, status=to, actor="test")  # type: ignore[arg-type]
        return (await ledger.manage(command)).reason_code

    assert await status(1, "frozen") is None
    refund = Submitted(transfer(bank, customer, 5, refund=True), "payment")
    (into, out, back) = await ledger.post(transfer(bank, customer, 1), transfer(customer, bank, 1), refund)
    assert (into.reason_code, out.reason_code, back.reason_code) == ("account_frozen", "account_frozen", None)
    assert await status(2, "open") is None
    assert await status(1, "frozen") == "revision_outdated"
    hold = transfer(customer, bank, 5, pending=True)
    await ledger.post(hold)
    assert await status(3, "closed") == "account_has_holds"
    await ledger.post(VoidPending(id=uuid.uuid4(), pending_id=hold.id, actor="test"))
    assert await status(3, "closed") == "account_has_holds"
    assert await status(4, "closed") == "account_has_balance"
    await ledger.post(transfer(customer, bank, 105))
    assert await status(5, "closed") is None
    assert await status(6, "open") == "account_closed"
    (refused,) = await ledger.post(transfer(bank, customer, 1))
    assert refused.reason_code == "account_closed"


async def test_limits_are_enforced_once_they_are_answered(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open(overdraft_limit_minor=50)

    async def limits(revision: int, **changed: int | None) -> str | None:
        command = SetAccountLimits(account_id=customer, revision=revision, actor="test", **changed)
        return (await ledger.manage(command)).reason_code

    assert [result.reason_code for result in await ledger.post(transfer(customer, bank, 40))] == [None]
    assert await limits(1, overdraft_limit_minor=39) == "overdraft_limit_in_use"
    assert await limits(2, overdraft_limit_minor=40) is None
    assert [result.reason_code for result in await ledger.post(transfer(customer, bank, 1))] == ["insufficient_funds"]
    assert await limits(3, overdraft_limit_minor=1000, daily_limit_minor=30) is None
    assert [result.reason_code for result in await ledger.post(transfer(customer, bank, 1))] == ["daily_limit_exceeded"]
    assert await limits(4, daily_limit_minor=None) is None
    assert [result.reason_code for result in await ledger.post(transfer(customer, bank, 1))] == [None]
    balance = await ledger.balance(customer)
    assert (balance.posted_minor, balance.daily_used_minor) == (-41, 41)


async def test_the_largest_amounts_do_not_overflow(ledger: LedgerDatabase) -> None:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    largest = 2**53 - 1
    for _ in range(6):
        results = await ledger.post(*(transfer(bank, customer, largest) for _ in range(200)))
        assert all(result.status == "created" for result in results)
    assert (await ledger.balance(customer)).posted_minor == 1200 * largest > 2**63
    assert (await ledger.check()).consistent
