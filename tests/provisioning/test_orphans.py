"""What belongs to no tenant is found with its price, and nothing else is."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from bezant.cli.admin import app
from bezant.contracts.identifiers import new_id
from bezant.services.tenant.domain.steps import Kind
from bezant.services.tenant.operations.find_orphans import Orphan, find_orphans
from bezant.services.tenant.provisioning.aurora import names
from bezant.services.tenant.provisioning.cluster_databases import database_name
from bezant.topology.cost.prices import price_list

from .conftest import Place, sql


async def found(place: Place, *kinds: str) -> dict[str, Orphan]:
    """Return the orphans of this test by name: other tests' databases are on the same servers."""
    orphans = await find_orphans(
        await place.control(), place.secrets, await place.provisioner(), secrets_region="us-east-1", prices=price_list()
    )
    return {orphan.name: orphan for orphan in orphans if not kinds or orphan.kind in kinds}


async def test_what_a_tenant_has_is_no_orphan_and_what_a_lost_tenant_left_is(place: Place) -> None:
    tenant_id = await place.new_tenant()
    assert await place.run(tenant_id) == "succeeded"
    database, cluster = database_name(tenant_id), names.dedicated_cluster(tenant_id)
    ours = {
        database,
        cluster,
        f"{cluster}-0",
        f"bezant/tenants/{tenant_id}/payment",
        names.administrator_secret(cluster),
    }
    assert not ours & (await found(place)).keys()
    # The registry says that it is gone, and somebody has forgotten the rest.
    await place.sql("UPDATE control.tenants SET status = 'closed' WHERE id = %s", tenant_id)
    orphans = await found(place)
    assert f"bezant/tenants/{tenant_id}/payment" in orphans
    secret = orphans[f"bezant/tenants/{tenant_id}/payment"]
    assert secret.low_usd_per_day == pytest.approx(0.4 * 24 / 730, abs=1e-6)
    assert "no tenant has it" in secret.reason
    if place.tier == "dedicated":
        assert {
            cluster,
            f"{cluster}-0",
            f"{cluster}-1",
            f"{cluster}-2",
            names.administrator_secret(cluster),
        } <= orphans.keys()
        assert orphans[f"{cluster}-0"].low_usd_per_day == pytest.approx(0.26 * 24)
        assert orphans[cluster].low_usd_per_day is None, "storage that grows by itself has no known price"
    else:
        assert database in orphans
        assert (orphans[database].low_usd_per_day is None) is not place.on_aurora


async def test_a_database_on_another_cluster_than_its_tenant_s_is_an_orphan(shared: Place) -> None:
    cluster = f"bezant-shared-{shared.model}"
    shared.aws.add_shared_cluster(cluster, model=shared.model)
    tenant_id = await shared.new_tenant()
    assert await shared.run(tenant_id) == "succeeded"
    assert database_name(tenant_id) not in await found(shared)
    await shared.sql("UPDATE control.cluster_assignments SET cluster = 'moved' WHERE tenant_id = %s", tenant_id)
    assert (await found(shared))[database_name(tenant_id)].reason == "its tenant's database is on moved"


async def test_an_operation_under_way_has_no_orphans(dedicated: Place) -> None:
    tenant_id = await dedicated.new_tenant()
    provisioner = await dedicated.provisioner()
    seen: list[set[str]] = []

    async def report(_: str) -> None:
        seen.append({name for name, orphan in (await found(dedicated)).items() if orphan.tenant_id == tenant_id})

    await provisioner.provision_database(tenant_id, tier="dedicated", report=report)
    await dedicated.sql("UPDATE control.tenants SET status = 'failed' WHERE id = %s", tenant_id)
    async with (await dedicated.control()).transaction() as connection:
        await (await dedicated.runner()).insert(connection, tenant_id, Kind.ONBOARDING, {})
    await provisioner.drop_database(tenant_id, final_snapshot=False, report=report)
    assert len(seen) > 5
    assert not any(seen)


async def test_a_snapshot_is_an_orphan_when_its_export_is_not_kept(dedicated: Place) -> None:
    kept, lost = await dedicated.new_tenant(), new_id()
    await dedicated.sql("UPDATE control.tenants SET status = 'closed' WHERE id = %s", kept)
    await dedicated.sql(
        "INSERT INTO control.exports (tenant_id, manifest, keep_until) VALUES (%s, '{}', now() + interval '1 day')",
        kept,
    )
    rds = dedicated.aws.client("rds")
    rds.create_db_cluster(DBClusterIdentifier=f"x-{dedicated.model}", Engine="aurora-postgresql", MasterUsername="m",
                          MasterUserPassword="something-long")  # fmt: skip
    for tenant_id in (kept, lost):
        rds.create_db_cluster_snapshot(
            DBClusterSnapshotIdentifier=names.final_snapshot(tenant_id), DBClusterIdentifier=f"x-{dedicated.model}",
            Tags=[{"Key": "bezant:model", "Value": dedicated.model}],
        )  # fmt: skip
    snapshots = await found(dedicated, "snapshot")
    assert names.final_snapshot(lost) in snapshots
    assert names.final_snapshot(kept) not in snapshots


async def test_the_command_lists_them_as_json_and_checks(dedicated: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    tenant_id = new_id()
    await dedicated.secrets.write(f"bezant/tenants/{tenant_id}/fraud", {"x": "planted secret"})
    settings: dict[str, Any] = {
        "CONTROL_DATABASE_PORT": dedicated.settings.control_database_port,
        "CONTROL_DATABASE_NAME": dedicated.settings.control_database_name,
        "SECRET_STORE": "aws", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": dedicated.aws.url,
        "TENANT_PROVISIONER": "aurora", "AURORA_MODEL": dedicated.model,
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(f"BEZANT_{name}", str(value))
    result = await asyncio.to_thread(CliRunner().invoke, app, ["orphans", "--from-settings", "--json", "--check"])
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    orphan = next(each for each in document["orphans"] if each["tenant_id"] == str(tenant_id))
    assert orphan["kind"] == "secret"
    assert document["usd_per_day"]["low"] >= orphan["low_usd_per_day"] > 0.01
    assert document["prices_as_of"] == price_list().as_of
    assert "planted secret" not in result.output
    shown = await asyncio.to_thread(CliRunner().invoke, app, ["orphans", "--from-settings"])
    assert shown.exit_code == 0
    assert f"bezant/tenants/{tenant_id}/fraud" in shown.stdout.replace("\n", "")
    assert "a day at the prices of" in shown.stdout
    await dedicated.secrets.delete(f"bezant/tenants/{tenant_id}/fraud")
    monkeypatch.setenv("BEZANT_AURORA_ZONES", "sa-east-1a")
    refused = await asyncio.to_thread(CliRunner().invoke, app, ["orphans", "--from-settings"])
    assert refused.exit_code == 1
    assert "orphans cannot be looked for: BEZANT_AURORA_ZONES (sa-east-1a) have to be zones of" in refused.output


async def test_databases_of_the_server_are_listed_with_their_size(shared: Place) -> None:
    cluster = f"bezant-shared-{shared.model}"
    shared.aws.add_shared_cluster(cluster, model=shared.model)
    tenant_id = await shared.new_tenant()
    assert await shared.run(tenant_id) == "succeeded"
    inventory = await (await shared.provisioner()).inventory()
    (listed,) = [each for each in inventory if each.tenant_id == tenant_id]
    size = await sql(shared.server, "postgres", "SELECT pg_database_size(%s)", database_name(tenant_id))
    assert listed.cluster == cluster
    assert listed.bytes == pytest.approx(size[0][0], rel=0.1)
