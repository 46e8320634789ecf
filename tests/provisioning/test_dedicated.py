"""A tenant's own cluster: what is asked of AWS, its follower in another region, its end."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.tenant.domain.steps import STEPS, Kind
from bezant.services.tenant.operations.read_export import remove_exports_that_are_over
from bezant.services.tenant.provisioning.aurora import names
from bezant.services.tenant.provisioning.aurora.settings import AuroraSettings

from .conftest import Place, ended


async def onboard(place: Place, **changes: Any) -> UUID:
    tenant_id = await place.new_tenant()
    runner = await place.runner(**changes)
    operation = await place.begin(runner, tenant_id, Kind.ONBOARDING)
    await ended(runner)
    assert await place.status(operation) == "succeeded"
    return tenant_id


def cluster_of(place: Place, tenant_id: UUID, region: str = "us-east-1") -> Any:
    rds = place.aws.client("rds", region)
    return rds.describe_db_clusters(DBClusterIdentifier=names.dedicated_cluster(tenant_id))["DBClusters"][0]


def instances_of(place: Place, tenant_id: UUID, region: str = "us-east-1") -> list[Any]:
    listed = [{"Name": "db-cluster-id", "Values": [names.dedicated_cluster(tenant_id)]}]
    return list(place.aws.client("rds", region).describe_db_instances(Filters=listed)["DBInstances"])


async def test_the_cluster_is_made_to_last(dedicated: Place) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/0190"
    tenant_id = await onboard(dedicated, kms_key_id=key, security_group_ids="sg-1, sg-2")
    cluster = cluster_of(dedicated, tenant_id)
    assert cluster["StorageEncrypted"]
    assert cluster["KmsKeyId"] == key
    assert cluster["DeletionProtection"]
    assert cluster["CopyTagsToSnapshot"]
    assert cluster["BackupRetentionPeriod"] == 7
    assert cluster["EngineVersion"] == "17.5"
    assert {group["VpcSecurityGroupId"] for group in cluster["VpcSecurityGroups"]} == {"sg-1", "sg-2"}
    assert names.tag_values(cluster) == {
        "bezant:model": dedicated.model, "bezant:tier": "dedicated", "bezant:tenant": str(tenant_id),
    }  # fmt: skip
    instances = instances_of(dedicated, tenant_id)
    assert {each["AvailabilityZone"] for each in instances} == {"us-east-1a", "us-east-1b", "us-east-1c"}
    writers = [member for member in cluster["DBClusterMembers"] if member["IsClusterWriter"]]
    assert [each["DBInstanceIdentifier"] for each in writers] == [names.instance(cluster["DBClusterIdentifier"], 0)]
    assert not any(each["PubliclyAccessible"] for each in instances)


async def test_serverless_instances_scale_between_the_capacities_of_the_settings(dedicated: Place) -> None:
    tenant_id = await onboard(
        dedicated, instance_class="db.serverless", serverless_min_capacity=1.0, serverless_max_capacity=8.0
    )
    assert cluster_of(dedicated, tenant_id)["ServerlessV2ScalingConfiguration"] == {"MinCapacity": 1, "MaxCapacity": 8}
    assert {each["DBInstanceClass"] for each in instances_of(dedicated, tenant_id)} == {"db.serverless"}


async def test_reads_go_to_the_reader_endpoint_and_writes_to_the_writer(dedicated: Place) -> None:
    tenant_id = await onboard(dedicated)
    control = await ControlDatabase.open(service="payment", settings=dedicated.settings, secrets=dedicated.secrets)
    dedicated.opened.append(control)
    directory = TenantDirectory(control)
    record = await directory.get(tenant_id)
    assert record.reader is not None
    assert record.writer is not None
    assert (record.writer.host, record.reader.host) == ("localhost", "127.0.0.1")

    async def no_hint(_: UUID) -> None:
        """Nothing is written."""

    databases = TenantDatabases(
        service="payment", directory=directory, secrets=dedicated.secrets, settings=dedicated.settings,
        before_events=no_hint, on_commit=lambda _, rows: None,
    )  # fmt: skip
    try:
        for read_only, host in ((False, "localhost"), (True, "127.0.0.1")):
            async with databases.transaction(tenant_id, read_only=read_only) as transaction:
                assert transaction.connection.info.host == host
                rows = await transaction.fetch_all("SELECT current_setting('transaction_read_only')")
                assert rows == [("on" if read_only else "off",)]
        assert len(databases.resident_pools()) == 2
    finally:
        await databases.close()


THERE = "arn:aws:kms:sa-east-1:000000000000:key/0191"
GLOBAL = {"secondary_region": "sa-east-1", "secondary_zone": "sa-east-1a", "secondary_kms_key_id": THERE}


async def test_a_global_database_has_a_follower_and_leaves_nothing_in_either_region(dedicated: Place) -> None:
    tenant_id = await onboard(dedicated, **GLOBAL)
    follower = cluster_of(dedicated, tenant_id, "sa-east-1")
    assert [each["AvailabilityZone"] for each in instances_of(dedicated, tenant_id, "sa-east-1")] == ["sa-east-1a"]
    rds = dedicated.aws.client("rds")
    (found,) = rds.describe_global_clusters(GlobalClusterIdentifier=names.dedicated_cluster(tenant_id))[
        "GlobalClusters"
    ]
    members = {member["DBClusterArn"]: member["IsWriter"] for member in found["GlobalClusterMembers"]}
    assert members == {cluster_of(dedicated, tenant_id)["DBClusterArn"]: True, follower["DBClusterArn"]: False}
    await close(dedicated, tenant_id, **GLOBAL)
    assert await dedicated.left(tenant_id) == []
    assert names.dedicated_cluster(tenant_id) not in str(rds.describe_global_clusters()["GlobalClusters"])


async def test_a_follower_is_kept_as_the_primary_is(dedicated: Place) -> None:
    """After a fail-over it is the tenant's database, and nobody makes it better then."""
    serverless = {"instance_class": "db.serverless", "serverless_min_capacity": 1.0, "serverless_max_capacity": 8.0}
    tenant_id = await onboard(dedicated, backup_retention_days=35, **serverless, **GLOBAL)
    primary, follower = cluster_of(dedicated, tenant_id), cluster_of(dedicated, tenant_id, "sa-east-1")
    for name in (
        "BackupRetentionPeriod", "DeletionProtection", "StorageEncrypted", "CopyTagsToSnapshot", "EngineVersion",
        "ServerlessV2ScalingConfiguration",
    ):  # fmt: skip
        assert follower[name] == primary[name], name
    assert follower["KmsKeyId"] == THERE
    assert names.tag_values(follower) == names.tag_values(primary)
    assert [each["DBInstanceClass"] for each in instances_of(dedicated, tenant_id, "sa-east-1")] == ["db.serverless"]


async def test_somebody_else_s_cluster_in_the_follower_s_place_is_left_alone(dedicated: Place) -> None:
    tenant_id = await dedicated.new_tenant()
    there = dedicated.aws.client("rds", "sa-east-1")
    there.create_db_cluster(DBClusterIdentifier=names.dedicated_cluster(tenant_id), Engine="aurora-postgresql")
    try:
        runner = await dedicated.runner(**GLOBAL)
        operation = await dedicated.begin(runner, tenant_id, Kind.ONBOARDING)
        await ended(runner)
        assert await dedicated.status(operation) == "failed"
        (error,) = await dedicated.sql("SELECT error FROM control.operations WHERE id = %s", operation.id)
        assert "in sa-east-1 without the tag bezant:tenant" in error[0]
        assert cluster_of(dedicated, tenant_id, "sa-east-1")["Status"] == "available"
        with pytest.raises(dedicated.aws.client("rds").exceptions.DBClusterNotFoundFault):
            cluster_of(dedicated, tenant_id)
    finally:
        there.delete_db_cluster(DBClusterIdentifier=names.dedicated_cluster(tenant_id), SkipFinalSnapshot=True)


async def test_logs_are_encrypted_end_by_themselves_and_outlive_the_cluster(dedicated: Place) -> None:
    here = "arn:aws:kms:us-east-1:000000000000:key/0190"
    tenant_id = await onboard(dedicated, kms_key_id=here, **GLOBAL)
    groups = dedicated.log_groups(tenant_id)
    assert {region: group["kmsKeyId"] for region, group in groups.items()} == {"us-east-1": here, "sa-east-1": THERE}
    assert {group["retentionInDays"] for group in groups.values()} == {365}
    await close(dedicated, tenant_id, **GLOBAL)
    assert dedicated.log_groups(tenant_id).keys() == groups.keys()


def test_a_follower_without_a_key_of_its_region_is_refused_before_anything_is_made() -> None:
    with pytest.raises(ValueError, match="BEZANT_AURORA_SECONDARY_KMS_KEY_ID"):
        AuroraSettings(secondary_region="sa-east-1", secondary_zone="sa-east-1a")


async def close(place: Place, tenant_id: UUID, **changes: Any) -> None:
    await place.sql("UPDATE control.tenants SET status = 'closing' WHERE id = %s", tenant_id)
    runner = await place.runner(**changes)
    operation = await place.begin(runner, tenant_id, Kind.OFFBOARDING)
    await ended(runner)
    assert await place.status(operation) == "succeeded", [
        await place.step(tenant_id, s) for s in STEPS[Kind.OFFBOARDING][:5]
    ]


async def test_closing_keeps_an_export_and_a_snapshot_until_their_time_is_over(dedicated: Place) -> None:
    tenant_id = await onboard(dedicated)
    await close(dedicated, tenant_id)
    assert await dedicated.left(tenant_id) == []
    rds = dedicated.aws.client("rds")
    name = names.final_snapshot(tenant_id)
    (snapshot,) = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)["DBClusterSnapshots"]
    assert snapshot["Status"] == "available"
    assert (dedicated.exports.directory(tenant_id) / "manifest.json").is_file()
    control, provisioner = await dedicated.control(), await dedicated.provisioner()
    assert await remove_exports_that_are_over(control, dedicated.exports, provisioner) == 0
    await dedicated.sql("UPDATE control.exports SET keep_until = now() - interval '1 s'")
    assert await remove_exports_that_are_over(control, dedicated.exports, provisioner) == 1
    with pytest.raises(rds.exceptions.DBClusterSnapshotNotFoundFault):
        rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)


async def test_a_rotation_replaces_every_service_s_secret(dedicated: Place) -> None:
    tenant_id = await onboard(dedicated)
    before = await dedicated.secrets.read(f"bezant/tenants/{tenant_id}/payment")
    assert await dedicated.run(tenant_id, Kind.ROTATION, credential_version=2) == "succeeded"
    after = await dedicated.secrets.read(f"bezant/tenants/{tenant_id}/payment")
    prefix = f"tenant_{tenant_id}_db"
    assert before[f"{prefix}_user"].endswith("_a")
    assert after[f"{prefix}_user"].endswith("_b")
    assert after[f"{prefix}_password"] != before[f"{prefix}_password"]
    assert after[f"{prefix}_reader_url"].startswith("postgresql://127.0.0.1:")


@given(st.uuids())
def test_names_are_legal_and_say_whose_they_are(tenant_id: UUID) -> None:
    identifiers = [
        names.dedicated_cluster(tenant_id),
        names.instance(names.dedicated_cluster(tenant_id), 15),
        names.final_snapshot(tenant_id),
    ]
    for identifier in identifiers:
        assert len(identifier) <= 63
        assert identifier[0].isalpha()
        assert identifier.replace("-", "").isalnum()
        assert "--" not in identifier
        assert names.tenant_of(identifier) == tenant_id


@given(st.text(max_size=50))
def test_other_names_are_nobody_s(text: str) -> None:
    for identifier in (text, f"bezant-shared-{text}", "bezant-control"):
        assert names.tenant_of(identifier) is None
