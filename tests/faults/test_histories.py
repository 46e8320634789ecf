"""Random histories with random kills: whatever is asked in whatever order, the platform does what it acknowledged."""

import asyncio
import random

import pytest

from .journal import Entry, Journal, Kind
from .stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
VICTIMS = (
    "payment-0",
    "payment-1",
    "transaction-0",
    "transaction-1",
    "fraud-0",
    "notification-0",
    "audit-0",
    "gateway",
)
_STEPS = 120
_CLIENTS = 6
_KILLS = 4


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_history_with_random_kills_is_what_was_acknowledged(stage: Stage, seed: int) -> None:
    journal = await stage.tenant()
    chooser = random.Random(seed)
    payments: list[Entry] = []
    kills = sorted(chooser.sample(range(_STEPS), _KILLS))
    steps = iter(range(_STEPS))
    killing: list[asyncio.Task[None]] = []

    async def client(own: random.Random) -> None:
        for step in steps:
            if step in kills:
                killing.append(asyncio.create_task(stage.fleet.kill(own.choice(VICTIMS))))
            await _step(stage, journal, own, payments)

    await asyncio.gather(*(client(random.Random(f"{seed}/{number}")) for number in range(_CLIENTS)))
    await asyncio.gather(*killing)
    await stage.judge.judge(journal)


async def _step(stage: Stage, journal: Journal, chooser: random.Random, payments: list[Entry]) -> None:
    """Do something that may or may not be allowed, to a payment that others may be doing something to as well."""
    kinds: tuple[Kind, ...] = ("payment", "capture", "void", "refund")
    kind = chooser.choices(kinds, (5, 3, 2, 4))[0]
    if kind == "payment" or not payments:
        source, destination = chooser.sample([journal.bank, *journal.customers[:2]], 2)
        payments.append(
            await stage.client.pay(
                journal,
                source,
                destination,
                chooser.choice((1, 99, 2500, 7999)),
                capture=chooser.choice(("automatic", "manual")),
            )
        )
        return
    payment = chooser.choice(payments[-12:])
    amount = chooser.choice((None, 1, 50, 2500, 8000))
    await stage.client.act(journal, payment, kind, None if kind == "void" else amount)
