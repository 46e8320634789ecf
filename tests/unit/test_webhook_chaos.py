"""The dice of the receiver sandbox, and its verdict."""

from collections import Counter

from bezant.cli.webhook_chaos import Chances, Chaos, Fault
from bezant.cli.webhook_sandbox import Account


def test_the_same_seed_throws_the_same_dice() -> None:
    one, two, other = Chaos(7), Chaos(7), Chaos(8)
    messages = [f"msg_{number % 50}" for number in range(200)]
    assert [one.plan(each) for each in messages] == (plans := [two.plan(each) for each in messages])
    assert plans != [other.plan(each) for each in messages]


def test_a_message_is_spoiled_twice_at_most_and_everything_happens() -> None:
    chaos = Chaos(1, Chances(fault=0.9, hold=0.5, duplicate=0.5))
    plans = {number: [chaos.plan(str(number)) for _ in range(10)] for number in range(100)}
    assert all(sum(plan.fault is not None for plan in tries) <= 2 for tries in plans.values())
    seen = Counter(plan.fault for tries in plans.values() for plan in tries)
    assert set(seen) == {None, *Fault}
    flat = [plan for tries in plans.values() for plan in tries]
    assert {plan.copies for plan in flat} == {1, 2}
    assert any(plan.hold_seconds for plan in flat)


def test_what_was_never_taken_is_named() -> None:
    account = Account(sequences={1, 2, 4, 7})
    assert account.missing(7) == [3, 5, 6]
    assert account.missing(2) == []
    assert account.missing(9) == [3, 5, 6, 8, 9]
