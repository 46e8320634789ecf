"""Too much to do, and a slow fraud service: refused early, never half way, and nothing approved without a score."""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bezant.client import BezantClient

from .fleet import Fleet, eventually
from .journal import Journal
from .stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
_AT_ONCE = 800
"""More than two processes take at first."""
_STOPPED_SECONDS, _RUNNING_SECONDS = 0.7, 0.3


@pytest.fixture(scope="module")
async def journal(stage: Stage) -> Journal:
    return await stage.tenant()


def _order(journal: Journal, number: int) -> dict[str, Any]:
    return {
        "source_account_id": journal.bank,
        "destination_account_id": journal.customers[number % len(journal.customers)],
        "amount": {"amount_minor": 1 + number % 50, "currency": "USD"},
    }


async def _send(
    session: aiohttp.ClientSession, journal: Journal, key: str, number: int
) -> tuple[str, int, Any, dict[str, str]]:
    async with session.post("/v1/payments", json=_order(journal, number), headers={"idempotency-key": key}) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return key, response.status, json.loads(await response.read()), headers


@asynccontextmanager
async def _session(stage: Stage, journal: Journal) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        stage.fleet.platform.url,
        headers={"authorization": f"Bearer {journal.api_key}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=60),
    ) as session:
        yield session


async def test_what_is_refused_under_load_was_never_begun_and_what_is_taken_has_a_score(
    stage: Stage, journal: Journal
) -> None:
    answers = []
    async with _session(stage, journal) as session:
        for burst in range(3):
            answers += await asyncio.gather(
                *(_send(session, journal, f"burst-{burst}-{n}", n) for n in range(_AT_ONCE))
            )
        statuses = Counter(status for _, status, _, _ in answers)
        assert set(statuses) <= {201, 429, 503}, statuses
        assert statuses[201], "nothing was taken"
        assert len(answers) > statuses[201], "nothing was refused: the burst is no overload"
        for _, status, document, headers in answers:
            if status == 201:
                assert document["risk"]["scored"] is True
            else:
                assert document["code"] in ("overloaded", "share_exceeded")
                assert headers["retry-after"] == "1"
        refused = [key for key, status, _, _ in answers if status != 201]
        async with BezantClient(stage.fleet.platform.url, journal.api_key) as api:
            made = {payment["id"] async for payment in api.pages("/v1/payments", limit=200)}
        assert made == {document["id"] for _, status, document, _ in answers if status == 201}

        async def taken_now() -> bool:
            return (await _send(session, journal, refused[0], 0))[1] == 201

        await eventually(taken_now, "a refused request is taken, under its own key", within_seconds=5)


@asynccontextmanager
async def _running_in_turns(fleet: Fleet, *processes: str) -> AsyncIterator[None]:
    """Let processes run for a part of the time only: each answer of theirs is later than 250 ms."""

    async def turns() -> None:
        while True:
            for process in processes:
                await fleet.signal(process, signal.SIGSTOP)
            await asyncio.sleep(_STOPPED_SECONDS)
            for process in processes:
                await fleet.signal(process, signal.SIGCONT)
            await asyncio.sleep(_RUNNING_SECONDS)

    turning = asyncio.create_task(turns())
    try:
        yield
    finally:
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
        for process in processes:
            await fleet.signal(process, signal.SIGCONT)


async def test_a_slow_fraud_service_is_waited_for(stage: Stage, journal: Journal) -> None:
    taken: list[float] = []
    async with _session(stage, journal) as session, _running_in_turns(stage.fleet, "fraud-0"):
        until = time.monotonic() + 8

        async def client(who: int) -> None:
            number = 0
            while time.monotonic() < until:
                began = time.monotonic()
                _, status, document, _ = await _send(session, journal, f"slow-{who}-{number}", number)
                taken.append(time.monotonic() - began)
                number += 1
                assert (status, document["risk"]["scored"]) == (201, True), document

        await asyncio.gather(*(client(who) for who in range(8)))
    assert max(taken) > 0.25, "the service was not slow"


async def test_a_frozen_fraud_service_is_down_and_the_policy_decides(stage: Stage, journal: Journal) -> None:
    async with _session(stage, journal) as session:
        await stage.fleet.signal("fraud-0", signal.SIGSTOP)
        try:
            began = time.monotonic()
            _, status, document, _ = await _send(session, journal, "frozen-0", 0)
            took = time.monotonic() - began
            assert (status, document["status"], document["risk"]["scored"]) == (201, "captured", False)
            assert document["risk"]["reasons"] == ["fraud_unavailable"]
            assert 0.25 <= took < 10
        finally:
            await stage.fleet.signal("fraud-0", signal.SIGCONT)

        async def scored_again() -> bool:
            _, status, document, _ = await _send(session, journal, stage.client.key(), 0)
            return bool(status == 201 and document["risk"]["scored"])

        await eventually(scored_again, "scores are waited for again")

        async def scored_later() -> bool:
            async with session.get(f"/v1/payments/{document['id']}") as response:
                return bool((await response.json())["risk"]["scored"])

        await eventually(scored_later, "what the policy decided is scored once the service is back")
