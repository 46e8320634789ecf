"""The receiver sandbox against the whole platform, as a tenant's engineer runs it."""

import asyncio
import json
import os
import sys

from bezant.cli.keyring import Keyring
from bezant.local.platform import LocalPlatform

from ..stores.fixtures import eventually
from .conftest import TestTenant, make_tenant

EVENTS = 1_000


async def _listen(platform: LocalPlatform, tenant: TestTenant, *options: str) -> asyncio.subprocess.Process:
    Keyring(platform.directory.root).put(tenant.slug, tenant.api_key)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bezant.cli.main", "webhooks", "listen", "--json", "--event", "payment.*", *options,
        "--tenant", tenant.slug, "--url", platform.url, "--data-dir", str(platform.directory.root),
        stdout=asyncio.subprocess.PIPE, env=os.environ,
    )  # fmt: skip


async def test_the_sandbox_receives_a_thousand_events_under_chaos_without_a_gap(
    platform: LocalPlatform, admin_key: str
) -> None:
    tenant = await make_tenant(platform, admin_key)
    process = await _listen(platform, tenant, "--chaos", "--seed", "1", "--count", str(EVENTS), "--seconds", "90")

    async def listening() -> bool:
        assert process.returncode is None
        return bool((await tenant.client.get("/v1/webhook-endpoints"))["data"])

    await eventually(listening, within_seconds=30)
    for start in range(0, EVENTS, 250):
        orders = [tenant.order("bank", "alice", 100 + start + number) for number in range(250)]
        await tenant.client.post("/v1/payments/batch", {"payments": orders})
    output, _ = await process.communicate()
    result = json.loads(output)
    assert process.returncode == 0, result
    assert result["complete"]
    assert (result["messages"], result["last_sequence"], result["missing"]) == (EVENTS, EVENTS, [])
    assert result["requests"] > EVENTS
    assert result["handed_on_twice"] > 0
    assert result["overtaken"] > 0
    assert len(result["faults"]) == 4
    assert (await tenant.client.get("/v1/webhook-endpoints"))["data"] == [], "it leaves nothing behind"
    await tenant.client.close()
