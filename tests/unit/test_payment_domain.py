"""The life of a payment: every action in every status, and amounts at their edges."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Problem
from bezant.services.payment.domain.payments import (
    TRANSITIONS,
    Payment,
    Split,
    Status,
    amount_to_capture,
    amount_to_refund,
    payment_legs,
    require_voidable,
    status_after_refund,
)
from bezant.services.payment.domain.problems import (
    AmountExceedsAuthorized,
    AmountExceedsRefundable,
    NotCapturable,
    NotRefundable,
    NotVoidable,
    SplitsExceedAmount,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def payment(status: Status, *, amount: int = 1000, captured: int = 0, refunded: int = 0) -> Payment:
    return Payment(
        id=new_id(), source_account_id=UUID(int=1), destination_account_id=UUID(int=2), amount_minor=amount,
        currency="USD", capture="manual", splits=[], reference="", metadata={}, context={}, status=status,
        idempotency_key="k", actor="key:x", created_at=NOW, updated_at=NOW, captured_minor=captured,
        refunded_minor=refunded,
    )  # fmt: skip


@pytest.mark.parametrize("status", Status)
def test_only_an_authorized_payment_is_captured(status: Status) -> None:
    if status is Status.AUTHORIZED:
        assert amount_to_capture(payment(status), None) == 1000
    else:
        with pytest.raises(NotCapturable, match=status.value):
            amount_to_capture(payment(status), None)


@pytest.mark.parametrize("status", Status)
def test_only_held_money_is_voided(status: Status) -> None:
    if status in (Status.AUTHORIZED, Status.REQUIRES_REVIEW):
        require_voidable(payment(status))
    else:
        with pytest.raises(NotVoidable):
            require_voidable(payment(status))


@pytest.mark.parametrize("status", Status)
def test_only_captured_money_is_refunded(status: Status) -> None:
    refundable = {Status.CAPTURED: 0, Status.PARTIALLY_REFUNDED: 400}
    if status in refundable:
        done = payment(status, captured=1000, refunded=refundable[status])
        assert amount_to_refund(done, None) == 1000 - refundable[status]
    else:
        with pytest.raises(NotRefundable):
            amount_to_refund(payment(status), None)


def test_a_capture_above_the_authorized_amount_is_refused() -> None:
    assert amount_to_capture(payment(Status.AUTHORIZED), 1000) == 1000
    with pytest.raises(AmountExceedsAuthorized):
        amount_to_capture(payment(Status.AUTHORIZED), 1001)


def test_refunds_under_way_count_against_what_can_be_refunded() -> None:
    done = payment(Status.CAPTURED, captured=1000)
    done.refunding_minor = 700
    assert amount_to_refund(done, 300) == 300
    with pytest.raises(AmountExceedsRefundable):
        amount_to_refund(done, 301)
    done.refunding_minor = 1000
    with pytest.raises(AmountExceedsRefundable):
        amount_to_refund(done, None)


@pytest.mark.parametrize("start", Status)
@pytest.mark.parametrize("end", Status)
def test_a_payment_moves_along_its_life_and_nowhere_else(start: Status, end: Status) -> None:
    moved = payment(start)
    if end in TRANSITIONS[start]:
        moved.move(end)
        assert (moved.status, moved.version) == (end, 2)
    else:
        with pytest.raises(ValueError, match=f"from {start} to {end}"):
            moved.move(end)


@given(
    amount=st.integers(1, 10**12),
    parts=st.lists(st.integers(1, 10**11), max_size=5),
)
def test_legs_balance_or_the_splits_are_refused(amount: int, parts: list[int]) -> None:
    splits = [Split(UUID(int=10 + n), part) for n, part in enumerate(parts)]
    try:
        legs = payment_legs(payment(Status.PROCESSING, amount=amount), amount, splits)
    except SplitsExceedAmount:
        assert sum(parts) >= amount
        return
    debits = sum(leg.amount_minor for leg in legs if leg.direction == "debit")
    credits = sum(leg.amount_minor for leg in legs if leg.direction == "credit")
    assert debits == credits == amount
    assert all(leg.amount_minor >= 1 for leg in legs)


@given(captured=st.integers(1, 10**9), refunds=st.lists(st.integers(1, 10**9), max_size=8))
def test_refunds_never_exceed_what_was_captured(captured: int, refunds: list[int]) -> None:
    done = payment(Status.CAPTURED, amount=captured, captured=captured)
    for wanted in refunds:
        try:
            amount = amount_to_refund(done, wanted)
        except Problem:
            assert wanted > captured - done.refunded_minor
            continue
        done.refunded_minor += amount
        done.move(status_after_refund(done))
        assert done.refunded_minor <= captured
        assert (done.status is Status.REFUNDED) == (done.refunded_minor == captured)
