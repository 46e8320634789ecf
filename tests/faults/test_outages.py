"""One tenant's database is down, frozen, or its packets are lost: that tenant is told so, the others notice nothing."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import aiohttp
import pytest

from bezant.local.superuser import allow_connections
from bezant.rehearsal.chaos.faults import place_tenant
from bezant.rehearsal.chaos.tcp_proxy import Mode, TcpProxy

from .fleet import Fleet, eventually
from .journal import Document, Entry, Journal, JournallingClient
from .stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
OUTAGES = ("down", "refusing", "frozen", "dropping packets")
_SAMPLE = 240
_TIMES_SLOWER = 4.0
_SLACK_SECONDS = 0.25
"""The machine may be busy with something else; what must not be seen are the seconds of the other tenant's waits."""


async def test_outages_of_tenants_databases_are_their_own(stage: Stage) -> None:
    """Four tenants lose their databases, each in another way and all at once; a fifth goes on as before."""
    hit = {outage: await stage.tenant() for outage in OUTAGES}
    other = await stage.tenant()
    async with AsyncExitStack() as proxies:
        broken = {}
        for outage, journal in hit.items():
            broken[outage] = await proxies.enter_async_context(_breakable(stage.fleet, journal))
            await stage.client.pay(journal, journal.bank, journal.customers[0], 1000)
        before = await _latencies(stage.client, other)
        # Their events of this moment reach the consumers when their databases cannot be written.
        await stage.fleet.stop("audit-0")
        held = {outage: await _held_captured_and_refunded(stage, journal) for outage, journal in hit.items()}
        async with AsyncExitStack() as outages:
            for outage, journal in hit.items():
                await outages.enter_async_context(_outage(stage.fleet, journal, broken[outage], outage))
            measuring = asyncio.create_task(_latencies(stage.client, other))
            await asyncio.gather(*(_is_told(stage, journal, outage) for outage, journal in hit.items()))
            await stage.fleet.start("audit-0")
            for outage, journal in hit.items():
                await eventually(partial(_parked, stage.fleet, journal), f"{outage}: its events are set aside")
            during = await measuring
    assert during <= before * _TIMES_SLOWER + _SLACK_SECONDS, f"p90 of the other: {before:.3f} s, then {during:.3f} s"
    failed = [entry.unanswered for entry in other.entries if entry.unanswered]
    assert not failed, f"{len(failed)} requests of the other tenant met an error: {failed[:3]}"
    for journal in hit.values():
        await stage.client.pay(journal, journal.bank, journal.customers[0], 1000)
    await stage.judge.judge(*hit.values(), other)
    for outage, journal in hit.items():
        await _in_order(stage, journal, held[outage].done["id"])


async def _held_captured_and_refunded(stage: Stage, journal: Journal) -> Entry:
    held = await stage.client.pay(journal, journal.bank, journal.customers[1], 2000, capture="manual")
    await stage.client.act(journal, held, "capture", 1500)
    await stage.client.act(journal, held, "refund", 500)
    return held


async def _latencies(client: JournallingClient, journal: Journal) -> float:
    """Return the 90th percentile of the seconds that payments take, two at a time."""

    async def some() -> list[float]:
        entries = [
            await client.pay(journal, journal.bank, journal.customers[n % 4], 100 + n) for n in range(_SAMPLE // 2)
        ]
        return [entry.seconds for entry in entries]

    both = await asyncio.gather(some(), some())
    return statistics.quantiles([*both[0], *both[1]], n=10)[-1]


async def _is_told(stage: Stage, journal: Journal, outage: str) -> None:
    """Assert that every kind of request gets a clear 503 with Retry-After, soon and before long at once."""
    body = {
        "source_account_id": journal.bank,
        "destination_account_id": journal.customers[0],
        "amount": {"amount_minor": 1, "currency": "USD"},
    }
    reads = ("/v1/payments", "/v1/accounts", "/v1/fraud/rules", "/v1/webhook-endpoints")
    requests: list[tuple[str, str, Document | None]] = [("POST", "/v1/payments", body)]
    requests += [("GET", path, None) for path in reads]
    headers = {"authorization": f"Bearer {journal.api_key}"}

    async def ask(session: aiohttp.ClientSession, method: str, path: str, json: Document | None) -> None:
        for attempt in range(4):
            began = time.monotonic()
            key = {"idempotency-key": f"told-{stage.client.key()}"} if json else {}
            async with session.request(method, path, json=json, headers=key) as response:
                document = await response.json(content_type=None)
            seconds = time.monotonic() - began
            told = (response.status, document.get("code"))
            assert told == (503, "tenant_unavailable"), f"{outage}: {path} at attempt {attempt} answered {document}"
            assert int(response.headers["retry-after"]) >= 1
            assert seconds < 12, f"{outage}: {path} took {seconds:.1f} s to say so at attempt {attempt}"

    async with aiohttp.ClientSession(stage.fleet.platform.url, headers=headers) as session:
        await asyncio.gather(*(ask(session, *request) for request in requests))


async def _parked(fleet: Fleet, journal: Journal) -> bool:
    query = "SELECT count(*) FROM control.parked_events WHERE tenant_id = %s AND service = 'audit'"
    return bool((await fleet.rows(query, journal.tenant_id))[0][0])


async def _in_order(stage: Stage, journal: Journal, payment_id: str) -> None:
    headers = {"authorization": f"Bearer {journal.api_key}"}
    async with (
        aiohttp.ClientSession(stage.fleet.platform.url, headers=headers) as session,
        session.get("/v1/audit/entries", params={"subject": payment_id, "limit": 100}) as response,
    ):
        entries = (await response.json())["data"]
    types = [entry["type"] for entry in entries if entry["type"].startswith("payment.")]
    assert types == ["payment.authorized", "payment.captured", "payment.refunded"]


@asynccontextmanager
async def _breakable(fleet: Fleet, journal: Journal) -> AsyncIterator[TcpProxy]:
    """Give the tenant a placement of its own: its database behind a proxy."""
    postgres_port = fleet.platform.options.ports.postgres
    proxy = TcpProxy("127.0.0.1", postgres_port)
    await proxy.open()
    await place_tenant(fleet.platform, journal.tenant_id, proxy.port)
    try:
        yield proxy
    finally:
        await place_tenant(fleet.platform, journal.tenant_id, postgres_port)
        await proxy.close()


@asynccontextmanager
async def _outage(fleet: Fleet, journal: Journal, proxy: TcpProxy, kind: str) -> AsyncIterator[None]:
    if kind == "down":
        await allow_connections(fleet.platform, journal.tenant_id, allowed=False)
    else:
        await proxy.switch({"refusing": Mode.REFUSE, "frozen": Mode.FREEZE, "dropping packets": Mode.DROP}[kind])
    try:
        yield
    finally:
        if kind == "down":
            await allow_connections(fleet.platform, journal.tenant_id, allowed=True)
        else:
            await proxy.switch(Mode.PASS)
