"""One tenant's database is down, frozen, or its packets are lost: that tenant is told so, the others notice nothing."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from .fleet import Fleet, eventually
from .journal import Document, Journal, JournallingClient
from .stage import Stage
from .tcp_proxy import Mode, TcpProxy

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
_SAMPLE = 120
_TIMES_SLOWER = 4.0
_SLACK_SECONDS = 0.25
"""The machine may be busy with something else; what must not be seen are the seconds of the other tenant's waits."""


@pytest.mark.parametrize("outage", ["down", "refusing", "frozen", "dropping packets"])
async def test_an_outage_of_one_tenants_database_is_its_own(stage: Stage, outage: str) -> None:
    hit, other = await stage.tenant(), await stage.tenant()
    async with _breakable(stage.fleet, hit) as proxy:
        await stage.client.pay(hit, hit.bank, hit.customers[0], 1000)
        before = await _latencies(stage.client, other)
        # Its events of this moment reach the consumers when its database cannot be written.
        await stage.fleet.stop("audit-0")
        held = await stage.client.pay(hit, hit.bank, hit.customers[1], 2000, capture="manual")
        await stage.client.act(hit, held, "capture", 1500)
        await stage.client.act(hit, held, "refund", 500)
        async with _outage(stage.fleet, hit, proxy, outage):
            during = asyncio.create_task(_latencies(stage.client, other))
            await _is_told(stage, hit)
            await stage.fleet.start("audit-0")
            await eventually(lambda: _parked(stage.fleet, hit), "its events are set aside")
            slow = await during
    assert slow <= before * _TIMES_SLOWER + _SLACK_SECONDS, (
        f"p90 of the other tenant: {before:.3f} s, then {slow:.3f} s"
    )
    failed = [entry.unanswered for entry in other.entries if entry.unanswered]
    assert not failed, f"{len(failed)} requests of the other tenant met an error: {failed[:3]}"
    await stage.client.pay(hit, hit.bank, hit.customers[0], 1000)
    await stage.judge.judge(hit, other)
    await _in_order(stage, hit, held.done["id"])


async def _latencies(client: JournallingClient, journal: Journal) -> float:
    """Return the 90th percentile of the seconds that payments take, two at a time."""

    async def some() -> list[float]:
        entries = [
            await client.pay(journal, journal.bank, journal.customers[n % 4], 100 + n) for n in range(_SAMPLE // 2)
        ]
        return [entry.seconds for entry in entries]

    both = await asyncio.gather(some(), some())
    return statistics.quantiles([*both[0], *both[1]], n=10)[-1]


async def _is_told(stage: Stage, journal: Journal) -> None:
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
            assert (response.status, document.get("code")) == (503, "tenant_unavailable"), (path, attempt, document)
            assert int(response.headers["retry-after"]) >= 1
            assert seconds < 12, f"{path} took {seconds:.1f} s to say so at attempt {attempt}"

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
    await _place(fleet, journal.tenant_id, proxy.port)
    try:
        yield proxy
    finally:
        await _place(fleet, journal.tenant_id, postgres_port)
        await proxy.close()


async def _place(fleet: Fleet, tenant_id: str, port: int) -> None:
    for name in await fleet.secrets.names(f"bezant/tenants/{tenant_id}/"):
        secret = await fleet.secrets.read(name)
        for key in (f"tenant_{tenant_id}_db_url", f"tenant_{tenant_id}_db_reader_url"):
            address, _, database = secret[key].rpartition("/")
            secret[key] = f"{address.rpartition(':')[0]}:{port}/{database}"
        await fleet.secrets.write(name, secret)
    query = "UPDATE control.placements SET writer_port = %s, reader_port = %s WHERE tenant_id = %s"
    await fleet.rows(query, port, port, tenant_id)
    await _end_sessions(fleet, tenant_id)


async def _end_sessions(fleet: Fleet, tenant_id: str) -> None:
    database = await fleet.database_of(tenant_id)
    await fleet.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", database)


@asynccontextmanager
async def _outage(fleet: Fleet, journal: Journal, proxy: TcpProxy, kind: str) -> AsyncIterator[None]:
    database = await fleet.database_of(journal.tenant_id)
    if kind == "down":
        await fleet.rows(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        await _end_sessions(fleet, journal.tenant_id)
    else:
        await proxy.switch({"refusing": Mode.REFUSE, "frozen": Mode.FREEZE, "dropping packets": Mode.DROP}[kind])
    try:
        yield
    finally:
        if kind == "down":
            await fleet.rows(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
        else:
            await proxy.switch(Mode.PASS)
