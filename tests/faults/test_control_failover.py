"""The control database fails over while payments run: known keys and tenants are served, nobody turns unready."""

import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from bezant.client import BezantClient
from bezant.foundation.control.remembered import REVOCATION_SECONDS
from bezant.local.administration import make_admin_key, settings_of
from bezant.local.options import PATIENT, PlatformOptions
from bezant.local.platform import LocalPlatform
from bezant.local.postgres import CONTROL_NAME
from bezant.local.status import ProcessState

from ..local.parts import BLOCK, free_block
from .fleet import Fleet, eventually
from .journal import JournallingClient
from .receiver import WebhookReceiver
from .stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
_AWAY_SECONDS = REVOCATION_SECONDS + 10
"""Longer than heartbeats, leases and caches last, and than the promise of revocation."""


@pytest.fixture(scope="module")
def apart() -> Iterator[Fleet]:
    """A platform whose control database has a server of its own."""
    # A directory that any account can pass: PostgreSQL does not run as root.
    room = Path(tempfile.mkdtemp(prefix="bezant-control-", dir="/tmp"))
    room.chmod(0o755)
    base = free_block(set())
    platform = LocalPlatform(
        PlatformOptions(
            data_dir=str(room / "data"),
            gateway_port=base + BLOCK - 1,
            port_base=base,
            replicas={"payment": 2},
            control_server=True,
            environment={**PATIENT, "BEZANT_CONTROL_LEARN_SECONDS": "1"},
            longest_backoff_seconds=1.0,
        )
    )
    with platform:
        yield Fleet(platform, room)
    shutil.rmtree(room)


@pytest.fixture(scope="module")
async def outage(apart: Fleet) -> AsyncIterator[Stage]:
    admin_key = await make_admin_key(settings_of(apart.platform.directory.root), "fail-over test")
    client, receiver = JournallingClient(apart.platform.url), WebhookReceiver()
    await receiver.open()
    async with BezantClient(apart.platform.url, admin_key) as admin:
        yield Stage(apart, client, admin, receiver, {admin_key})
    await client.close()
    await receiver.close()


async def _unready(fleet: Fleet) -> set[str]:
    """Return the services' processes that are not ready at this moment."""
    processes = (await fleet.status()).processes
    roles = {process.name for process in processes if process.name.rpartition("-")[2].isdigit()}
    services = {name for name in roles if not name.startswith("valkey")}
    return {process.name for process in processes if process.name in services and process.state != ProcessState.READY}


async def test_tenants_go_on_paying_while_the_control_database_is_away(outage: Stage) -> None:
    """Its server is killed under load, and stays away for longer than a revocation may take to bite."""
    fleet = outage.fleet
    journals = [await outage.tenant(), await outage.tenant()]
    rarely_used = await outage.tenant()
    # an administrator's key that has just been used, as a platform engineer's has
    admin_key = next(
        key for key in outage.api_keys if key not in {journal.api_key for journal in [*journals, rarely_used]}
    )
    restarts = await fleet.restarts()
    async with outage.traffic(*journals, workers=2, pause_seconds=0.2) as running:
        await running.more(20)
        before = {journal.slug: len(journal.entries) for journal in journals}
        await fleet.signal(CONTROL_NAME, signal.SIGKILL)
        await fleet.stop(CONTROL_NAME)
        gone_at = time.monotonic()
        unready: set[str] = set()
        while time.monotonic() < gone_at + _AWAY_SECONDS:
            unready |= await _unready(fleet)
            await running.more(4, within_seconds=20)
        during = {journal.slug: journal.entries[before[journal.slug] :] for journal in journals}
        await _is_told(outage, admin_key)
        await _pays(outage, rarely_used.api_key, rarely_used.bank, rarely_used.customers[0])
        await fleet.start(CONTROL_NAME)
        await running.more(20)
    assert not unready, f"not ready while the control database was away: {sorted(unready)}"
    assert await fleet.restarts() <= restarts + 1, "only the killed server itself was started again"
    for slug, entries in during.items():
        failed = [entry.unanswered for entry in entries if entry.unanswered]
        assert not failed, f"{len(failed)} of {len(entries)} requests of {slug} met an error: {failed[:3]}"
        seconds = [entry.seconds for entry in entries]
        assert statistics.quantiles(seconds, n=10)[-1] < 2, f"p90 of {slug} is {statistics.quantiles(seconds, n=10)}"
    await outage.judge.judge(*journals)


async def _is_told(stage: Stage, admin_key: str) -> None:
    """Assert that what is the control database's own gets a clear 503 with Retry-After within seconds."""
    headers = {"authorization": f"Bearer {admin_key}", "idempotency-key": "while-away"}
    body = {"name": "x", "slug": stage.slug()}
    began = time.monotonic()
    async with (
        aiohttp.ClientSession(stage.fleet.platform.url, headers=headers) as session,
        session.post("/v1/tenants", json=body) as response,
    ):
        told = (response.status, (await response.json(content_type=None))["code"])
        assert int(response.headers["retry-after"]) >= 1
    assert told == (503, "control_unavailable")
    assert time.monotonic() - began < 5


async def _pays(stage: Stage, api_key: str, source: str, destination: str) -> None:
    async with BezantClient(stage.fleet.platform.url, api_key) as api:
        amount = {"amount_minor": 5, "currency": "USD"}
        body = {"source_account_id": source, "destination_account_id": destination, "amount": amount}
        assert (await api.post("/v1/payments", body, key="while-away"))["status"] == "captured"


async def test_a_key_revoked_after_the_outage_is_refused_within_the_promise(outage: Stage) -> None:
    """Nothing of the outage stays: the next revocation bites in time, and a new tenant is onboarded."""
    journal = await outage.tenant()
    body = {"tenant_id": journal.tenant_id, "name": "short-lived", "scopes": ["payments:read"]}
    made = await outage.admin.post("/v1/api-keys", body)
    headers = {"authorization": f"Bearer {made['api_key']}"}
    async with aiohttp.ClientSession(outage.fleet.platform.url, headers=headers) as session:

        async def status() -> int:
            async with session.get("/v1/payments") as response:
                return response.status

        assert await status() == 200
        await outage.admin.delete(f"/v1/api-keys/{made['key_id']}")

        async def refused() -> bool:
            return await status() == 401

        await eventually(refused, "the revoked key is refused", within_seconds=REVOCATION_SECONDS + 1)
