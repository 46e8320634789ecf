"""What one replica has confirmed, every other one enforces and shows at once, past every cache."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bezant.client import BezantClient

from .journal import Journal, JournallingClient
from .stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]
_ROUNDS = 12


@pytest.fixture(scope="module")
async def journal(stage: Stage) -> Journal:
    return await stage.tenant()


@pytest.fixture(scope="module")
async def payers(stage: Stage) -> AsyncIterator[list[JournallingClient]]:
    """One client for the gateway and one for each payment replica."""
    urls = [stage.fleet.platform.url, stage.fleet.url_of("payment-0"), stage.fleet.url_of("payment-1")]
    clients = [JournallingClient(url) for url in urls]
    yield clients
    for client in clients:
        await client.close()


async def _on_every_replica(stage: Stage, journal: Journal, service: str, path: str) -> list[Any]:
    urls = [stage.fleet.platform.url, *(stage.fleet.url_of(f"{service}-{replica}") for replica in (0, 1))]

    async def read(url: str) -> Any:
        async with BezantClient(url, journal.api_key) as api:
            return await api.get(path)

    return list(await asyncio.gather(*(read(url) for url in urls)))


async def test_an_account_just_opened_is_known_everywhere(
    stage: Stage, journal: Journal, payers: list[JournallingClient]
) -> None:
    for number in range(_ROUNDS):
        account_id = await stage.client.open_account(journal, f"new {number}", "customer")
        path = f"/v1/accounts/{account_id}"
        shown = await _on_every_replica(stage, journal, "account", path)
        assert [account["status"] for account in shown] == ["open"] * 3
        paid = await asyncio.gather(*(payer.pay(journal, journal.bank, account_id, 100) for payer in payers))
        assert [entry.done["status"] for entry in paid] == ["captured"] * 3
        balances = await _on_every_replica(stage, journal, "account", f"{path}/balance")
        assert [balance["posted"]["amount_minor"] for balance in balances] == [300] * 3


async def test_a_freeze_holds_everywhere_once_it_is_confirmed(
    stage: Stage, journal: Journal, payers: list[JournallingClient]
) -> None:
    frozen, other = journal.customers[:2]
    # below the amount that a slow answer of the fraud service would hold
    assert (await stage.client.pay(journal, journal.bank, frozen, 9_000)).done["status"] == "captured"
    async with BezantClient(stage.fleet.platform.url, journal.api_key) as api:
        for _ in range(_ROUNDS):
            await api.post(f"/v1/accounts/{frozen}/freeze")
            refused = await asyncio.gather(*(payer.pay(journal, frozen, other, 10) for payer in payers))
            assert [(entry.done["status"], entry.done["reason_code"]) for entry in refused] == [
                ("failed", "account_frozen")
            ] * 3
            shown = await _on_every_replica(stage, journal, "account", f"/v1/accounts/{frozen}")
            assert [account["status"] for account in shown] == ["frozen"] * 3
            await api.post(f"/v1/accounts/{frozen}/unfreeze")
            paid = await asyncio.gather(*(payer.pay(journal, frozen, other, 10) for payer in payers))
            assert [entry.done["status"] for entry in paid] == ["captured"] * 3


async def test_a_changed_limit_holds_everywhere_once_it_is_confirmed(
    stage: Stage, journal: Journal, payers: list[JournallingClient]
) -> None:
    account_id = await stage.client.open_account(journal, "overdrawn", "customer")
    path = f"/v1/accounts/{account_id}/limits"
    async with BezantClient(stage.fleet.platform.url, journal.api_key) as api:
        for number in range(1, _ROUNDS + 1):
            # Each round allows three more payments of one to go below zero, and not a fourth.
            await api.patch(path, {"overdraft_limit_minor": 3 * number})
            paid = await asyncio.gather(*(payer.pay(journal, account_id, journal.bank, 1) for payer in payers))
            assert [entry.done["status"] for entry in paid] == ["captured"] * 3
            refused = await asyncio.gather(*(payer.pay(journal, account_id, journal.bank, 1) for payer in payers))
            assert [entry.done["status"] for entry in refused] == ["failed"] * 3


async def test_the_judge_agrees(stage: Stage, journal: Journal) -> None:
    await stage.judge.judge(journal)
