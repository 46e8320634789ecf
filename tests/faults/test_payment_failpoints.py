"""A process dies between two writes of a payment, a capture, a void or a refund: there is exactly one effect."""

import asyncio

import pytest

from .journal import Entry, Journal, Kind
from .stage import Stage
from .traffic import is_in

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
_ACTIONS_AT_ONCE = 6


@pytest.mark.parametrize("failpoint", ["after_claim", "after_fraud", "after_ledger", "after_record"])
async def test_a_kill_while_a_payment_is_made_leaves_exactly_one(stage: Stage, failpoint: str) -> None:
    journals = [await stage.tenant(), await stage.tenant()]
    restarts = await stage.fleet.restarts()
    async with stage.traffic(*journals) as traffic:
        await traffic.more(20)
        stage.fleet.arm(f"payment.create.{failpoint}")
        await stage.fleet.fired(f"payment.create.{failpoint}")
        await traffic.more(30)
    await stage.fleet.recovered(restarts)
    assert any(entry.was_interrupted for journal in journals for entry in journal.of("payment"))
    await stage.judge.judge(*journals)


@pytest.mark.parametrize("failpoint", ["after_begin", "after_ledger", "after_finish"])
@pytest.mark.parametrize("kind", ["capture", "void", "refund"])
async def test_a_kill_while_a_payment_is_acted_on_leaves_exactly_one_effect(
    stage: Stage, kind: Kind, failpoint: str
) -> None:
    journal, other = await stage.tenant(), await stage.tenant()
    payments = await _payments_for(stage, journal, kind)
    restarts = await stage.fleet.restarts()

    async def act(payment: Entry) -> None:
        # A part, where there are parts; a refund twice, so that both have to be told apart.
        part = None if kind == "void" else payment.body["amount"]["amount_minor"] // 3
        await stage.client.act(journal, payment, kind, part)
        if kind == "refund":
            await stage.client.act(journal, payment, kind, part)

    # Only payments run on the other tenant, so that it is this action that comes to the point.
    async with stage.traffic(other) as traffic:
        await traffic.more(10)
        stage.fleet.arm(f"payment.action.{failpoint}")
        await asyncio.gather(*(act(payment) for payment in payments))
        await stage.fleet.fired(f"payment.action.{failpoint}")
        await traffic.more(10)
    await stage.fleet.recovered(restarts)
    await stage.judge.judge(journal, other)


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
