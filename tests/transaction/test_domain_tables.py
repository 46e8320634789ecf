"""The ledger's rules as tables: holds by state and command, reasons by precedence, accounts by status."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from bezant.contracts.internal.ledger import (
    CommandResult,
    CreateTransfer,
    Leg,
    OpenAccount,
    PostPending,
    Reverse,
    SetAccountStatus,
    TransferCommand,
    VoidPending,
)
from bezant.services.transaction.domain.accounts import LedgerAccount, change_policy, open_account
from bezant.services.transaction.domain.book import Book, ExpireHold, Submitted, SubmittedBatch
from bezant.services.transaction.domain.posting import decide_group
from bezant.services.transaction.domain.problems import PROBLEM_OF_REASON
from bezant.services.transaction.domain.reasons import Reason, Refusal

from .conftest import transfer
from .histories import START

NAMES = ("bank", "ada", "bob", "shop", "fee", "yen")
IDS = {name: uuid.UUID(int=number) for number, name in enumerate(NAMES, 1)}
HOLD, POST, OTHER = (uuid.UUID(int=number) for number in (101, 102, 103))


def new_book() -> Book:
    book = Book(now=START, accounts={})
    kinds: dict[str, Any] = {"bank": "settlement", "shop": "merchant", "fee": "fee", "yen": "settlement"}
    for name, account_id in IDS.items():
        account = open_account(
            OpenAccount(
                account_id=account_id,
                account_type=kinds.get(name, "customer"),
                currency="JPY" if name == "yen" else "USD",
                actor="test",
            )
        )
        assert isinstance(account, LedgerAccount)
        book.accounts[account_id] = account
    assert run(book, transfer(IDS["bank"], IDS["ada"], 1000)).status == "created"
    return book


def run(book: Book, command: TransferCommand | ExpireHold, origin: Any = "ledger") -> CommandResult:
    return decide_group(book, [Submitted(command, origin)]).results[0]


def move(debit: str, credit: str, amount_minor: int, **fields: Any) -> CreateTransfer:
    return transfer(IDS[debit], IDS[credit], amount_minor, **fields)


def post(amount_minor: int | None = None, **fields: Any) -> PostPending:
    return PostPending(id=uuid.uuid4(), pending_id=HOLD, amount_minor=amount_minor, actor="test", **fields)


def void() -> VoidPending:
    return VoidPending(id=uuid.uuid4(), pending_id=HOLD, actor="test")


def expire() -> ExpireHold:
    return ExpireHold(uuid.uuid4(), HOLD)


TO_STATE: dict[str, Any] = {"pending": [], "posted": [post], "voided": [void], "overdue": [], "expired": [expire]}
HOLD_TABLE = [
    # state, command, reason
    ("pending", post, None),
    ("pending", void, None),
    ("pending", expire, "hold_not_due"),
    ("posted", post, "hold_already_posted"),
    ("posted", void, "hold_already_posted"),
    ("posted", expire, "hold_already_posted"),
    ("voided", post, "hold_already_voided"),
    ("voided", void, "hold_already_voided"),
    ("voided", expire, "hold_already_voided"),
    ("overdue", post, "hold_expired"),
    ("overdue", void, "hold_expired"),
    ("overdue", expire, None),
    ("expired", post, "hold_expired"),
    ("expired", void, "hold_expired"),
    ("expired", expire, "hold_expired"),
]


@pytest.mark.parametrize(("state", "command", "reason"), HOLD_TABLE)
def test_holds_by_state_and_command(state: str, command: Any, reason: str | None) -> None:
    book = new_book()
    assert run(book, move("ada", "bob", 100, id=HOLD, pending=True, expires_at=START + timedelta(hours=1))).status == (
        "created"
    )
    if state in {"overdue", "expired"}:
        book.now = START + timedelta(hours=1)
    for earlier in TO_STATE[state]:
        assert run(book, earlier()).reason_code is None
    before = {name: book.accounts[account_id].snapshot() for name, account_id in IDS.items()}
    result = run(book, command())
    assert result.reason_code == reason
    if reason is not None:
        assert {name: book.accounts[account_id].snapshot() for name, account_id in IDS.items()} == before


@pytest.mark.parametrize(
    ("amount", "held", "ada", "bob", "reason"),
    [
        (None, 100, 900, 100, None),
        (100, 100, 900, 100, None),
        (1, 100, 999, 1, None),
        (101, 100, 1000, 0, "amount_exceeds_hold"),
        (0, 100, 1000, 0, "amount_invalid"),
        (-1, 100, 1000, 0, "amount_invalid"),
    ],
)
def test_posting_moves_what_is_posted_and_releases_the_rest(
    amount: int | None, held: int, ada: int, bob: int, reason: str | None
) -> None:
    book = new_book()
    run(book, move("ada", "bob", held, id=HOLD, pending=True))
    assert run(book, post(amount)).reason_code == reason
    assert book.accounts[IDS["ada"]].posted_minor == ada
    assert book.accounts[IDS["bob"]].posted_minor == bob
    assert book.accounts[IDS["ada"]].pending_outgoing_minor == (held if reason else 0)


def legs(*lines: tuple[str, str, int]) -> list[Leg]:
    return [Leg(IDS[name], direction, amount) for name, direction, amount in lines]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([("ada", "debit", 60), ("shop", "credit", 58), ("fee", "credit", 2)], None),
        ([("ada", "debit", 100), ("shop", "credit", 97), ("fee", "credit", 3)], None),
        ([("ada", "debit", 100), ("bob", "credit", 100)], None),
        ([("ada", "debit", 101), ("shop", "credit", 101)], "amount_exceeds_hold"),
        ([("bob", "debit", 1), ("shop", "credit", 1)], "amount_exceeds_hold"),
        ([("ada", "debit", 10), ("shop", "credit", 9)], "legs_invalid"),
        ([("ada", "debit", 10), ("yen", "credit", 10)], "currency_mismatch"),
    ],
)
def test_posting_by_legs_takes_no_more_than_is_held(lines: Any, reason: str | None) -> None:
    book = new_book()
    run(book, move("ada", "shop", 100, id=HOLD, pending=True))
    assert run(book, post(legs=legs(*lines))).reason_code == reason


def test_part_of_a_hold_with_several_legs_needs_legs() -> None:
    book = new_book()
    three = legs(("ada", "debit", 100), ("shop", "credit", 97), ("fee", "credit", 3))
    run(book, CreateTransfer(id=HOLD, currency="USD", legs=three, pending=True, actor="test"))
    assert run(book, post(50)).reason_code == "legs_required"
    assert run(book, post(50, currency="EUR")).reason_code == "currency_mismatch"
    assert run(book, post(100)).reason_code is None
    assert book.accounts[IDS["fee"]].posted_minor == 3


FROZEN_TABLE = [
    # command, frozen account, origin, reason
    (move("ada", "bob", 1), "ada", "ledger", "account_frozen"),
    (move("ada", "bob", 1), "bob", "ledger", "account_frozen"),
    (move("ada", "bob", 1, pending=True), "ada", "ledger", "account_frozen"),
    (move("ada", "bob", 1, refund=True), "bob", "payment", None),
    (move("ada", "bob", 1, refund=True), "bob", "ledger", "account_frozen"),
    (move("ada", "bob", 1, refund=True), "ada", "payment", "account_frozen"),
    (post(), "ada", "ledger", "account_frozen"),
    (post(), "bob", "ledger", "account_frozen"),
    (void(), "ada", "ledger", None),
    (Reverse(id=uuid.uuid4(), transfer_id=OTHER, actor="test"), "ada", "ledger", None),
    (Reverse(id=uuid.uuid4(), transfer_id=OTHER, actor="test"), "bob", "ledger", "account_frozen"),
]


@pytest.mark.parametrize(("command", "frozen", "origin", "reason"), FROZEN_TABLE)
def test_what_a_freeze_stops(command: Any, frozen: str, origin: str, reason: str | None) -> None:
    book = new_book()
    run(book, move("ada", "bob", 100, id=HOLD, pending=True))
    run(book, move("ada", "bob", 10, id=OTHER))
    book.accounts[IDS[frozen]].status = "frozen"
    assert run(book, command, origin).reason_code == reason


REVERSE_TABLE = [("transfer", None), ("post", None), ("pending", "transfer_not_reversible"),
                 ("void", "transfer_not_reversible"), ("reversal", "transfer_not_reversible")]  # fmt: skip


@pytest.mark.parametrize(("kind", "reason"), REVERSE_TABLE)
def test_what_can_be_reversed(kind: str, reason: str | None) -> None:
    book = new_book()
    target: Any = {
        "transfer": move("ada", "bob", 10),
        "pending": move("ada", "bob", 10, pending=True),
        "post": post(),
        "void": void(),
        "reversal": Reverse(id=uuid.uuid4(), transfer_id=OTHER, actor="test"),
    }[kind]
    run(book, move("ada", "bob", 100, id=HOLD, pending=True))
    run(book, move("ada", "bob", 10, id=OTHER))
    assert run(book, target).status == "created"
    reverse = Reverse(id=uuid.uuid4(), transfer_id=target.id, actor="test")
    assert run(book, reverse).reason_code == reason
    assert run(book, reverse).status == ("exists" if reason is None else "refused")
    if reason is None:
        again = Reverse(id=uuid.uuid4(), transfer_id=target.id, actor="test")
        assert run(book, again).reason_code == "transfer_already_reversed"


def test_a_reversal_may_not_overdraw() -> None:
    book = new_book()
    run(book, move("ada", "shop", 100, id=OTHER))
    run(book, move("shop", "bob", 60))
    assert run(book, Reverse(id=uuid.uuid4(), transfer_id=OTHER, actor="test")).reason_code == "insufficient_funds"


PRECEDENCE = [
    # Each command breaks the rule named and some that come after it.
    ("amount_invalid", move("ada", "ada", 0, currency="EUR")),
    ("legs_invalid", CreateTransfer(id=uuid.uuid4(), currency="EUR", legs=legs(("ada", "debit", 1)), actor="test")),
    ("same_account", move("ada", "ada", 1, currency="EUR")),
    ("expires_at_invalid", move("ada", "bob", 5000, expires_at=START, pending=True)),
    ("account_not_found", transfer(uuid.uuid4(), IDS["yen"], 5000)),
    ("currency_mismatch", move("ada", "yen", 5000)),
    ("account_frozen", move("ada", "bob", 5000)),
    ("insufficient_funds", move("shop", "fee", 5000)),
]


@pytest.mark.parametrize(("reason", "command"), PRECEDENCE)
def test_the_first_reason_by_precedence_is_given(reason: str, command: CreateTransfer) -> None:
    book = new_book()
    book.accounts[IDS["ada"]].status = "frozen"
    book.accounts[IDS["shop"]].daily_limit_minor = 1
    assert run(book, command).reason_code == reason


def test_a_closed_account_comes_before_a_frozen_one() -> None:
    book = new_book()
    book.accounts[IDS["ada"]].status = "frozen"
    book.accounts[IDS["bob"]].status = "closed"
    assert run(book, move("ada", "bob", 1)).reason_code == "account_closed"


def test_the_daily_limit_starts_anew_each_day_and_counts_a_hold_on_its_own_day() -> None:
    book = new_book()
    book.accounts[IDS["ada"]].daily_limit_minor = 100
    assert run(book, move("ada", "bob", 70, id=HOLD, pending=True)).reason_code is None
    assert run(book, move("ada", "bob", 31)).reason_code == "daily_limit_exceeded"
    book.now = START + timedelta(days=1)
    assert run(book, move("ada", "bob", 100)).reason_code is None
    assert run(book, post(60)).reason_code is None
    assert run(book, move("ada", "bob", 1)).reason_code == "daily_limit_exceeded"


def test_what_is_released_on_the_same_day_is_given_back() -> None:
    book = new_book()
    book.accounts[IDS["ada"]].daily_limit_minor = 100
    run(book, move("ada", "bob", 100, id=HOLD, pending=True))
    assert run(book, post(40)).reason_code is None
    assert run(book, move("ada", "bob", 61)).reason_code == "daily_limit_exceeded"
    assert run(book, move("ada", "bob", 60)).reason_code is None


STATUS_TABLE = [
    # status, wanted, reason, changed
    ("open", "frozen", None, True),
    ("open", "closed", None, True),
    ("open", "open", None, False),
    ("frozen", "open", None, True),
    ("frozen", "frozen", None, False),
    ("frozen", "closed", None, True),
    ("closed", "open", "account_closed", None),
    ("closed", "frozen", "account_closed", None),
    ("closed", "closed", None, False),
]


@pytest.mark.parametrize(("status", "wanted", "reason", "changed"), STATUS_TABLE)
def test_account_status_transitions(status: Any, wanted: Any, reason: str | None, changed: bool | None) -> None:
    account = new_book().accounts[IDS["bob"]]
    account.status = status
    command = SetAccountStatus(account_id=account.id, revision=1, status=wanted, actor="test")
    outcome = change_policy(account, command)
    if reason is not None:
        assert isinstance(outcome, Refusal)
        assert outcome.reason == reason
        again = change_policy(account, command)
        assert isinstance(again, Refusal)
        assert again.reason == reason
        assert account.status == status
    else:
        assert outcome is changed
        assert account.status == wanted
        assert change_policy(account, command) is False


def test_an_atomic_batch_that_fails_leaves_no_trace_of_any_kind() -> None:
    book = new_book()
    run(book, move("ada", "bob", 100, id=HOLD, pending=True))
    run(book, move("ada", "bob", 10, id=OTHER))
    before = {name: book.accounts[account_id].snapshot() for name, account_id in IDS.items()}
    commands: list[TransferCommand] = [
        move("ada", "bob", 5),
        move("ada", "bob", 5, pending=True),
        post(50),
        Reverse(id=uuid.uuid4(), transfer_id=OTHER, actor="test"),
        move("fee", "bob", 1),
    ]
    batch = SubmittedBatch(uuid.uuid4(), tuple(Submitted(command, "ledger") for command in commands))
    decided = decide_group(book, [batch])
    assert decided.results[0].reason_code == "insufficient_funds"
    assert not decided.transfers
    assert not decided.holds_made
    assert not decided.holds_resolved
    assert {name: book.accounts[account_id].snapshot() for name, account_id in IDS.items()} == before
    assert list(book.holds) == [HOLD]
    assert book.holds[HOLD].state == "pending"
    assert book.transfers[OTHER].reversed_by is None
    assert all(command.id not in book.transfers for command in commands)
    assert run(book, post()).reason_code is None


def test_every_reason_has_a_problem_with_its_own_code() -> None:
    assert set(PROBLEM_OF_REASON) == set(Reason)
    assert all(problem.code == reason.value for reason, problem in PROBLEM_OF_REASON.items())
