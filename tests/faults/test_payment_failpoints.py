"""A process dies between two writes of a payment, a capture, a void or a refund: there is exactly one effect."""

import asyncio

import pytest

from .journal import Entry, Journal, Kind
from .stage import Stage
from .traffic import PAYMENTS_ONLY, is_in

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
_ACTIONS_AT_ONCE = 6


async def test_kills_while_payments_are_made_leave_exactly_one_of_each(stage: Stage) -> None:
    fleet = stage.fleet
    failpoints = [f"payment.create.{name}" for name in ("after_claim", "after_fraud", "after_ledger", "after_record")]
    journals = [await stage.tenant(), await stage.tenant()]
    restarts = await fleet.restarts()
    async with stage.traffic(*journals) as traffic:
        for failpoint in failpoints:
            await traffic.more(15)
            fleet.arm(failpoint)
            await fleet.fired(failpoint)
        await traffic.more(15)
    await fleet.recovered(restarts + len(failpoints) - 1)
    assert any(entry.was_interrupted for journal in journals for entry in journal.of("payment"))
    await stage.judge.judge(*journals)


@pytest.mark.parametrize("failpoint", ["after_begin", "after_ledger", "after_finish"])
async def test_kills_while_payments_are_captured_voided_and_refunded_leave_exactly_one_effect(
    stage: Stage, failpoint: str
) -> None:
    fleet, point = stage.fleet, f"payment.action.{failpoint}"
    kinds: tuple[Kind, ...] = ("capture", "void", "refund")
    journals = {kind: await stage.tenant() for kind in kinds}
    other = await stage.tenant()
    payments = {kind: await _payments_for(stage, journal, kind) for kind, journal in journals.items()}
    restarts = await fleet.restarts()

    async def act(kind: Kind, payment: Entry) -> None:
        # A part, where there are parts; a refund twice, so that both have to be told apart.
        part = None if kind == "void" else payment.body["amount"]["amount_minor"] // 3
        for _ in range(2 if kind == "refund" else 1):
            await stage.client.act(journals[kind], payment, kind, part)

    # Only payments run on the other tenant, so that it is this kind of action that comes to the point.
    acting: list[asyncio.Task[None]] = []
    async with stage.traffic(other, flows=PAYMENTS_ONLY):
        for kind in kinds:
            fleet.arm(point)
            acting += [asyncio.create_task(act(kind, payment)) for payment in payments[kind]]
            await fleet.fired(point)
        await asyncio.gather(*acting)
    await fleet.recovered(restarts + len(kinds) - 1)
    await stage.judge.judge(*journals.values(), other)


async def _payments_for(stage: Stage, journal: Journal, kind: Kind) -> list[Entry]:
    capture = "automatic" if kind == "refund" else "manual"
    payments = await asyncio.gather(
        *(
            stage.client.pay(journal, journal.bank, journal.customers[n % 4], 3000 + n, capture=capture)
            for n in range(_ACTIONS_AT_ONCE)
        )
    )
    assert all(is_in(payment, "captured" if kind == "refund" else "authorized") for payment in payments)
    return list(payments)
