"""Random histories against the pure domain: whatever is sent, the books stay right."""

import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from bezant.contracts.internal.ledger import CommandResult
from bezant.services.transaction.domain.accounts import LedgerAccount, open_account
from bezant.services.transaction.domain.book import Book, NewTransfer
from bezant.services.transaction.domain.posting import decide_group

from .histories import START, Histories, Item, Oracle, accounts


def make(seed: int) -> tuple[Book, Histories, Oracle]:
    rng = random.Random(seed)
    opened = accounts(rng)
    book = Book(now=START, accounts={})
    for command in opened:
        account = open_account(command)
        assert isinstance(account, LedgerAccount)
        book.accounts[account.id] = account
    return book, Histories(rng, opened), Oracle({command.account_id: command for command in opened})


def statuses(result: CommandResult) -> list[str]:
    return [part.status for part in result.parts] if result.parts is not None else [result.status]


def check_invariants(book: Book, written: list[NewTransfer], oracle: Oracle) -> None:
    sums: defaultdict[tuple[object, str], int] = defaultdict(int)
    versions: defaultdict[object, int] = defaultdict(int)
    for transfer in written:
        balance: defaultdict[str, int] = defaultdict(int)
        for number, entry in enumerate(transfer.entries):
            sign = 1 if entry.direction == "debit" else -1
            balance[entry.phase] += sign * entry.amount_minor
            where = "posted" if entry.phase == "posted" else "pending"
            effect = -entry.amount_minor if entry.phase == "released" else entry.amount_minor
            sums[entry.account_id, f"{where}_{entry.direction}s"] += effect
            versions[entry.account_id] += 1
            assert entry.leg == number
            assert entry.account_version == versions[entry.account_id]
        assert not any(balance.values()), transfer
    for account in book.accounts.values():
        for field in ("posted_debits", "posted_credits", "pending_debits", "pending_credits"):
            assert getattr(account, field) == sums[account.id, field]
        assert account.within_overdraft_limit
        assert account.posted_minor == oracle.posted(account.id)
        assert account.pending_debits == oracle.held(account.id, "debit")
        assert account.pending_credits == oracle.held(account.id, "credit")
        if account.daily_limit_minor is not None:
            assert account.limit_day_out_minor <= account.daily_limit_minor


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 60))
def test_random_histories_keep_every_invariant_and_agree_with_the_oracle(seed: int, size: int) -> None:
    book, histories, oracle = make(seed)
    items: list[Item] = [histories.item() for _ in range(size)]
    decided = decide_group(book, items)
    assert [statuses(result) for result in decided.results] == [oracle.judge(item) for item in items]
    check_invariants(book, decided.transfers, oracle)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 60), group=st.integers(1, 20))
def test_groups_decide_what_single_commands_would(seed: int, size: int, group: int) -> None:
    grouped, histories, _ = make(seed)
    single, _, _ = make(seed)
    items = [histories.item() for _ in range(size)]
    in_groups = [
        result
        for start in range(0, size, group)
        for result in decide_group(grouped, items[start : start + group]).results
    ]
    one_by_one = [decide_group(single, [item]).results[0] for item in items]
    assert in_groups == one_by_one
    assert grouped.accounts == single.accounts
    assert grouped.holds == single.holds
