"""Payments that keep running while something is broken: every flow, several at a time, all in the journal."""

import asyncio
import random
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from .fleet import eventually
from .journal import Entry, Journal, JournallingClient

FLOWS = {"pay": 8, "burst": 2, "capture": 4, "void": 3, "refund": 4, "overdraw": 1}
PAYMENTS_ONLY = {"pay": 4, "burst": 1}


class Traffic:
    """Runs payments on some tenants from entering the block to leaving it; leaving waits for every answer."""

    def __init__(
        self,
        client: JournallingClient,
        journals: list[Journal],
        *,
        workers: int = 3,
        pause_seconds: float = 0.03,
        flows: Mapping[str, int] = FLOWS,
    ) -> None:
        """`workers` for each tenant; each waits `pause_seconds` after every flow. `flows` with their weights."""
        self._flows = flows
        self._client = client
        self._journals = journals
        self._workers = workers
        self._pause_seconds = pause_seconds
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._work(journal, random.Random(number)))
            for journal in self._journals
            for number in range(self._workers)
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if error is not None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            return
        await asyncio.gather(*self._tasks)

    async def more(self, requests: int = 20, *, within_seconds: float = 60.0) -> None:
        """Return when so many more requests of each tenant have had their final answers."""
        before = {journal.slug: journal.answered for journal in self._journals}

        async def enough() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            return all(journal.answered >= before[journal.slug] + requests for journal in self._journals)

        await eventually(enough, f"{requests} more answers for each tenant", within_seconds=within_seconds)

    async def _work(self, journal: Journal, chooser: random.Random) -> None:
        while not self._stop.is_set():
            await self._flow(journal, chooser)
            await asyncio.sleep(self._pause_seconds)

    async def _flow(self, journal: Journal, chooser: random.Random) -> None:
        client = self._client
        customer, other = chooser.sample(journal.customers, 2)
        amount = chooser.randint(100, 5000)
        match chooser.choices(list(self._flows), list(self._flows.values()))[0]:
            case "pay":
                await client.pay(journal, journal.bank, customer, amount, fee_minor=chooser.choice((0, 25)))
            case "burst":
                await asyncio.gather(
                    *(
                        client.pay(journal, journal.bank, chooser.choice(journal.customers), amount + n)
                        for n in range(8)
                    )
                )
            case "capture":
                held = await client.pay(journal, journal.bank, customer, amount, capture="manual")
                if is_in(held, "authorized"):
                    await client.act(journal, held, "capture", chooser.choice((None, amount - 1, amount // 2)))
            case "void":
                held = await client.pay(journal, journal.bank, other, amount, capture="manual")
                if is_in(held, "authorized", "requires_review"):
                    await client.act(journal, held, "void")
            case "refund":
                paid = await client.pay(journal, journal.bank, customer, amount)
                if is_in(paid, "captured"):
                    await client.act(journal, paid, "refund", chooser.choice((None, amount - 1, amount // 2)))
            case "overdraw":
                await client.pay(journal, customer, other, 9_000_000)


def is_in(payment: Entry, *statuses: str) -> bool:
    """Whether the payment was acknowledged in one of these statuses."""
    return payment.done["status"] in statuses
