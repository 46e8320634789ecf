"""A process dies between two writes anywhere else on the way of a payment, or while an account is opened or changed."""

import asyncio

import pytest

from bezant.client import BezantClient

from .fleet import eventually
from .journal import Document, Journal
from .stage import Stage, answered

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
ON_THE_WAY = (
    "ledger.after_posting",
    "fraud.after_counting",
    "fraud.after_storing",
    "relay.after_publishing.payment",
    "relay.after_publishing.transaction",
    "consumer.after_handling.audit",
    "consumer.after_handling.notification",
    "notification.after_sending",
)


async def test_kills_on_the_way_of_payments_and_their_events_leave_each_effect_once(stage: Stage) -> None:
    journals = [await stage.tenant(), await stage.tenant()]
    restarts = await stage.fleet.restarts()
    async with stage.traffic(*journals) as traffic:
        for failpoint in ON_THE_WAY:
            stage.fleet.arm(failpoint)
            await stage.fleet.fired(failpoint)
            await traffic.more(5)
    await stage.fleet.recovered(restarts + len(ON_THE_WAY) - 1)
    await stage.judge.judge(*journals)


@pytest.mark.parametrize(
    "failpoint",
    ["account.open.after_note", "account.open.after_ledger", "account.open.after_show", "ledger.after_account_command"],
)
async def test_a_kill_while_accounts_are_opened_leaves_each_once(stage: Stage, failpoint: str) -> None:
    journal = await stage.tenant()
    restarts = await stage.fleet.restarts()
    stage.fleet.arm(failpoint)
    opened = await asyncio.gather(*(stage.client.open_account(journal, f"new {n}", "customer") for n in range(6)))
    await stage.fleet.fired(failpoint)
    for account_id in opened:
        assert (await stage.client.pay(journal, journal.bank, account_id, 500)).done["status"] == "captured"
    await stage.fleet.recovered(restarts)
    await stage.judge.judge(journal)


@pytest.mark.parametrize(
    "failpoint", ["account.change.after_begin", "account.change.after_ledger", "account.change.after_show"]
)
async def test_a_kill_while_an_account_is_frozen_leaves_it_frozen(stage: Stage, failpoint: str) -> None:
    journal = await stage.tenant()
    customer = journal.customers[0]
    await stage.client.pay(journal, journal.bank, customer, 10_000)
    restarts = await stage.fleet.restarts()
    stage.fleet.arm(failpoint)
    frozen = await _freeze(stage, journal, customer)
    await stage.fleet.fired(failpoint)
    assert frozen["status"] == "frozen"
    refused = await stage.client.pay(journal, customer, journal.customers[1], 100)
    assert (refused.done["status"], refused.done["reason_code"]) == ("failed", "account_frozen")
    await stage.fleet.recovered(restarts)
    changes = await stage.fleet.rows(
        "SELECT count(*) FROM account.outbox WHERE envelope::jsonb ->> 'type' = 'account.frozen'",
        database=await stage.fleet.database_of(journal.tenant_id),
    )
    assert changes == [(1,)]
    await stage.judge.judge(journal)


async def _freeze(stage: Stage, journal: Journal, account_id: str) -> Document:
    async with BezantClient(stage.fleet.platform.url, journal.api_key) as api:

        async def attempt() -> Document | None:
            found: Document | None = await answered(api.post(f"/v1/accounts/{account_id}/freeze"))
            return found

        frozen: Document = await eventually(attempt, f"{account_id} is frozen")
        return frozen
