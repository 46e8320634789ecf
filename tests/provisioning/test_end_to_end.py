"""A whole platform whose tenants live on Aurora and whose secrets lie in Secrets Manager, used through its API."""

import asyncio
import json
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from bezant.cli.admin import app
from bezant.client import BezantClient
from bezant.contracts.fleet import SERVICES
from bezant.foundation.settings import Settings
from bezant.local.administration import make_admin_key, settings_of
from bezant.local.options import PlatformOptions
from bezant.local.platform import LocalPlatform
from bezant.services.tenant.provisioning.aurora import names

from ..local.parts import BLOCK, free_block
from ..stores.aws import AwsEdge

Document = dict[str, Any]
MODEL = "end-to-end"
SHARED = "bezant-shared-end-to-end"


@pytest.fixture(scope="module")
def environment(aws: AwsEdge) -> dict[str, str]:
    """Settings that make a platform an Aurora one."""
    return {
        "BEZANT_SECRET_STORE": "aws",
        "BEZANT_AWS_REGION": "us-east-1",
        "BEZANT_AWS_ENDPOINT_URL": aws.url,
        "BEZANT_TENANT_PROVISIONER": "aurora",
        "BEZANT_TENANT_TIERS": "shared,dedicated",
        "BEZANT_TENANT_SAGA_LEASE_SECONDS": "1.5",
        "BEZANT_AURORA_MODEL": MODEL,
        "BEZANT_AURORA_POLL_SECONDS": "0.02",
        "BEZANT_AURORA_POLL_MAX_SECONDS": "0.1",
    }


@pytest.fixture(scope="module")
def platform(aws: AwsEdge, environment: dict[str, str]) -> Iterator[LocalPlatform]:
    aws.add_shared_cluster(SHARED, model=MODEL)
    base = free_block(set())
    with tempfile.TemporaryDirectory(prefix="bezant-aurora-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        options = PlatformOptions(
            data_dir=f"{directory}/data", gateway_port=base + BLOCK - 1, port_base=base, services=tuple(SERVICES),
            environment=environment, longest_backoff_seconds=0.5,
        )  # fmt: skip
        with LocalPlatform(options) as running:
            yield running


@pytest.fixture(scope="module")
def settings(platform: LocalPlatform, environment: dict[str, str]) -> Settings:
    on_aws = {name.removeprefix("BEZANT_").lower(): value for name, value in environment.items()}
    return Settings.model_validate(settings_of(platform.directory.root).model_dump() | on_aws)


@pytest.fixture(scope="module")
async def admin(platform: LocalPlatform, settings: Settings) -> AsyncIterator[BezantClient]:
    async with BezantClient(platform.url, await make_admin_key(settings, "tests")) as client:
        yield client


async def register(admin: BezantClient, tier: str) -> Document:
    slug = f"t-{uuid4().hex[:12]}"
    answer: Document = await admin.post("/v1/tenants", {"name": slug, "slug": slug, "tier": tier})
    return answer


async def ended(admin: BezantClient, path: str) -> Document:
    while (state := await admin.get(path))["status"] in ("running", "compensating"):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return dict(state)


async def pay(client: BezantClient, amount: int) -> Document:
    """Open two accounts and move money from one to the other."""
    bank = await client.post("/v1/accounts", {"name": "bank", "type": "settlement", "currency": "USD"})
    shop = await client.post("/v1/accounts", {"name": "shop", "type": "merchant", "currency": "USD"})
    payment = await client.post(
        "/v1/payments",
        {
            "source_account_id": bank["id"],
            "destination_account_id": shop["id"],
            "amount": {"amount_minor": amount, "currency": "USD"},
        },
        key=uuid4().hex,
    )
    balance = await client.get(f"/v1/accounts/{shop['id']}/balance")
    assert balance["posted"]["amount_minor"] == amount
    return dict(payment)


async def test_tenants_of_both_tiers_are_onboarded_pay_and_rotate(
    platform: LocalPlatform, admin: BezantClient, aws: AwsEdge
) -> None:
    aws.looks_until_available = 3
    answers = await asyncio.gather(register(admin, "shared"), register(admin, "dedicated"))
    async with AsyncExitStack() as stack:
        for answer in answers:
            state = await ended(admin, answer["onboarding"])
            assert state["status"] == "succeeded", state
            client = await stack.enter_async_context(BezantClient(platform.url, answer["api_key"]))
            assert (await pay(client, 1250))["status"] == "captured"
            rotation = await admin.post(f"/v1/tenants/{answer['id']}/rotate-credentials", {})
            assert rotation["kind"] == "rotation"
            payments = [await pay(client, 100 + number) for number in range(3)]
            assert {payment["status"] for payment in payments} == {"captured"}
            assert (await ended(admin, f"/v1/tenants/{answer['id']}/operations/rotation"))["status"] == "succeeded"
            assert (await pay(client, 7))["status"] == "captured"
    progress = {answer["id"]: (await admin.get(answer["onboarding"]))["steps"][0]["progress"] for answer in answers}
    assert progress[answers[0]["id"]] == f"making the database on {SHARED}"
    cluster = names.dedicated_cluster(UUID(answers[1]["id"]))
    assert progress[answers[1]["id"]] == f"making the database on {cluster}"
    for answer in answers:
        listed = aws.client("secretsmanager").list_secrets(
            Filters=[{"Key": "name", "Values": [f"bezant/tenants/{answer['id']}/"]}]
        )
        assert len(listed["SecretList"]) == 6


async def test_a_killed_tenant_service_leaves_a_cluster_that_the_next_one_finishes(
    platform: LocalPlatform, admin: BezantClient, aws: AwsEdge
) -> None:
    aws.stuck = "creating"
    answer = await register(admin, "dedicated")
    while "3 instances available" not in str((await admin.get(answer["onboarding"]))["steps"][0]["progress"]):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    killed = await asyncio.to_thread(platform.kill, "tenant-0", signal.SIGKILL)
    aws.stuck = None
    await asyncio.to_thread(platform.wait_ready, "tenant-0", not_pid=killed.pid, timeout_seconds=30)
    state = await ended(admin, answer["onboarding"])
    assert state["status"] == "succeeded", state
    assert state["steps"][0]["attempts"] == 2
    async with BezantClient(platform.url, answer["api_key"]) as client:
        assert (await pay(client, 5))["status"] == "captured"
    clusters = [c["DBClusterIdentifier"] for c in aws.client("rds").describe_db_clusters()["DBClusters"]]
    assert clusters.count(names.dedicated_cluster(UUID(answer["id"]))) == 1


async def test_quota_that_is_exceeded_is_told_through_the_api(admin: BezantClient, aws: AwsEdge) -> None:
    aws.quotas = {"DBClusters": 1}
    answer = await register(admin, "dedicated")
    state = await ended(admin, answer["onboarding"])
    aws.quotas = {}
    assert state["status"] == "failed"
    assert "Service Quotas (Amazon RDS)" in state["error"]
    assert state["steps"][0]["status"] == "compensated"
    assert (await admin.get(f"/v1/tenants/{answer['id']}"))["status"] == "failed"


async def test_a_closed_dedicated_tenant_leaves_a_snapshot_and_no_orphans(
    admin: BezantClient, aws: AwsEdge, settings: Settings, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await register(admin, "dedicated")
    assert (await ended(admin, answer["onboarding"]))["status"] == "succeeded"
    await admin.post(f"/v1/tenants/{answer['id']}/suspend", {})
    await admin.delete(f"/v1/tenants/{answer['id']}")
    state = await ended(admin, f"/v1/tenants/{answer['id']}/operations/offboarding")
    assert state["status"] == "succeeded", state
    tenant_id = UUID(answer["id"])
    rds = aws.client("rds")
    assert names.dedicated_cluster(tenant_id) not in str(rds.describe_db_clusters()["DBClusters"])
    snapshot = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=names.final_snapshot(tenant_id))
    assert len(snapshot["DBClusterSnapshots"]) == 1
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("host", "port", "name"):
        monkeypatch.setenv(
            f"BEZANT_CONTROL_DATABASE_{name}".upper(), str(getattr(settings, f"control_database_{name}"))
        )
    result = await asyncio.to_thread(CliRunner().invoke, app, ["orphans", "--from-settings", "--json"])
    assert result.exit_code == 0, result.output
    assert answer["id"] not in {orphan["tenant_id"] for orphan in json.loads(result.stdout)["orphans"]}
