"""What AWS may do to an onboarding: it is waited out or undone, and the step's status says what to do."""

import asyncio

import pytest

from bezant.contracts.fleet import TENANT_SERVICES
from bezant.services.tenant.domain.steps import Kind
from bezant.services.tenant.provisioning.aurora import names
from bezant.services.tenant.provisioning.aurora.failures import WrongRegion
from bezant.services.tenant.sagas import runner as runner_module

from ..stores.aws import Fault
from .conftest import Place, ended


async def quiet(_progress: str) -> None:
    """Nobody watches."""


PASSING = [
    Fault("DescribeDBClusters", "Throttling", times=3),
    Fault("CreateDBCluster", "ThrottlingException", times=3),
    Fault("CreateDBInstance", "RequestLimitExceeded", 503, times=3),
    Fault("DescribeDBInstances", "InternalFailure", 500, times=3),
    Fault("CreateDBCluster", "ExpiredToken", 403, times=3),
    # the request was done, and its answer is lost
    Fault("CreateDBCluster", "InternalFailure", 500, after=True),
    Fault("CreateDBInstance", "InternalFailure", 500, times=3, after=True),
    # an instance of a cluster that is still being made
    Fault("CreateDBInstance", "InvalidDBClusterStateFault"),
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: f"{fault.action}-{fault.code}-{fault.after}")
async def test_what_passes_is_waited_out(dedicated: Place, fault: Fault) -> None:
    dedicated.aws.faults = [Fault(fault.action, fault.code, fault.status, fault.times, after=fault.after)]
    tenant_id = await dedicated.new_tenant()
    placement = await (await dedicated.provisioner()).provision_database(tenant_id, tier="dedicated", report=quiet)
    assert placement.writer_port == dedicated.server.port
    assert dedicated.aws.faults[0].times == 0
    inventory = await (await dedicated.provisioner()).inventory()
    kinds = sorted(each.kind for each in inventory if each.tenant_id == tenant_id)
    assert kinds == ["cluster", "instance", "instance", "instance"]


FOR_GOOD = [
    (Fault("CreateDBInstance", "InstanceQuotaExceeded"), "Service Quotas"),
    (Fault("CreateDBCluster", "DBClusterQuotaExceededFault"), "Service Quotas"),
    (Fault("CreateDBCluster", "StorageQuotaExceeded"), "Service Quotas"),
    (Fault("CreateDBCluster", "AccessDenied", 403), "may not do create_db_cluster"),
    (Fault("DescribeAccountAttributes", "AccessDeniedException", 403), "may not do describe_account_attributes"),
    (Fault("CreateDBCluster", "DBSubnetGroupNotFoundFault", 404), "BEZANT_AURORA_ settings and the region"),
    (Fault("CreateDBCluster", "KMSKeyNotAccessibleFault"), "BEZANT_AURORA_ settings"),
    (Fault("CreateDBInstance", "InsufficientDBInstanceCapacity"), "BEZANT_AURORA_INSTANCE_CLASS"),
    (Fault("CreateDBCluster", "InsufficientDBClusterCapacityFault"), "BEZANT_AURORA_INSTANCE_CLASS"),
    (Fault("Logs_20140328.CreateLogGroup", "AccessDeniedException"), "may not do create_log_group"),
]


@pytest.mark.parametrize(("fault", "said"), FOR_GOOD, ids=lambda case: getattr(case, "code", ""))
async def test_what_does_not_pass_is_undone_and_says_what_to_do(dedicated: Place, fault: Fault, said: str) -> None:
    dedicated.aws.faults = [Fault(fault.action, fault.code, fault.status, times=1000)]
    tenant_id = await dedicated.new_tenant()
    assert await dedicated.run(tenant_id) == "failed"
    step = await dedicated.step(tenant_id)
    assert step["status"] == "compensated"
    assert step["attempts"] == 1
    operation = await dedicated.sql("SELECT error FROM control.operations WHERE tenant_id = %s", tenant_id)
    assert said in operation[0][0]
    assert "us-east-1" in operation[0][0]
    assert await dedicated.left(tenant_id) == []


async def test_quotas_are_looked_at_before_anything_is_made(dedicated: Place) -> None:
    dedicated.aws.quotas = {"DBInstances": 2}
    tenant_id = await dedicated.new_tenant()
    assert await dedicated.run(tenant_id) == "failed"
    error = (await dedicated.sql("SELECT error FROM control.operations WHERE tenant_id = %s", tenant_id))[0][0]
    assert "of 2 DBInstances are used and 3 more are needed" in error
    assert dedicated.aws.requests["CreateDBCluster"] == 0
    assert await dedicated.left(tenant_id) == []


async def test_progress_is_told_while_a_cluster_is_made(dedicated: Place) -> None:
    dedicated.aws.looks_until_available = 6
    told: list[str] = []

    async def report(progress: str) -> None:
        told.append(progress)

    tenant_id = await dedicated.new_tenant()
    provisioner = await dedicated.provisioner()
    await provisioner.provision_database(tenant_id, tier="dedicated", report=report)
    text = "\n".join(told)
    cluster = names.dedicated_cluster(tenant_id)
    assert f"asking for the cluster {cluster}" in text
    assert f"0 of 3 instances available; {cluster} is creating" in text
    assert text.endswith(f"making the database on {cluster}")
    assert len(told) == len(set(told))


@pytest.mark.parametrize(
    ("status", "said"), [("creating", "taken too long"), ("incompatible-network", "look at its events")]
)
async def test_a_cluster_that_is_never_available_is_removed(dedicated: Place, status: str, said: str) -> None:
    dedicated.aws.stuck = status
    tenant_id = await dedicated.new_tenant()
    runner = await dedicated.runner(create_timeout_seconds=0.5)
    operation = await dedicated.begin(runner, tenant_id, Kind.ONBOARDING)
    await ended(runner)
    assert await dedicated.status(operation) == "failed"
    error = (await dedicated.sql("SELECT error FROM control.operations WHERE tenant_id = %s", tenant_id))[0][0]
    assert said in error
    assert f"is {status}" in error
    assert await dedicated.left(tenant_id) == []


async def test_the_time_for_a_cluster_runs_on_over_crashes(dedicated: Place) -> None:
    """A process that takes over does not give a stuck cluster the whole time again."""
    dedicated.aws.stuck = "creating"
    tenant_id = await dedicated.new_tenant()
    control = await dedicated.control()
    provisioner = await dedicated.provisioner(control)
    asked = asyncio.Event()

    async def report(progress: str) -> None:
        if "instances available" in progress:
            asked.set()

    making = asyncio.create_task(provisioner.provision_database(tenant_id, tier="dedicated", report=report))
    await asked.wait()
    making.cancel()
    await dedicated.sql("UPDATE control.cluster_assignments SET assigned_at = now() - interval '1 day'")
    assert await dedicated.run(tenant_id) == "failed"
    assert await dedicated.left(tenant_id) == []


async def test_credentials_that_expire_are_told_and_the_undoing_goes_on_when_they_are_back(dedicated: Place) -> None:
    tenant_id = await dedicated.new_tenant()
    runner = await dedicated.runner(create_timeout_seconds=1.5, delete_timeout_seconds=0.05)
    asked = asyncio.Event()

    def expire(action: str) -> None:
        if action == "CreateDBInstance" and not dedicated.aws.faults:
            dedicated.aws.faults = [Fault("*", "ExpiredToken", 403, times=1_000_000)]
            asked.set()

    dedicated.aws.before = expire
    operation = await dedicated.begin(runner, tenant_id, Kind.ONBOARDING)
    while True:
        step = await dedicated.step(tenant_id) if asked.is_set() else {"progress": None}
        if "undoing it has failed" in (step["progress"] or ""):
            break
        await asyncio.sleep(0.02)
    assert "ExpiredToken" in step["progress"]
    assert "pod identity" in step["progress"]
    assert await dedicated.status(operation) == "compensating"
    dedicated.aws.faults[0].times = 0
    await ended(runner)
    assert await dedicated.status(operation) == "failed"
    assert await dedicated.left(tenant_id) == []


async def test_somebody_else_s_cluster_of_our_name_is_left_alone(dedicated: Place) -> None:
    tenant_id = await dedicated.new_tenant()
    name = names.dedicated_cluster(tenant_id)
    rds = dedicated.aws.client("rds")
    rds.create_db_cluster(DBClusterIdentifier=name, Engine="aurora-postgresql", MasterUsername="somebody",
                          MasterUserPassword="something-else")  # fmt: skip
    assert await dedicated.run(tenant_id) == "failed"
    error = (await dedicated.sql("SELECT error FROM control.operations WHERE tenant_id = %s", tenant_id))[0][0]
    assert f"there is a cluster {name} in us-east-1 without the tag bezant:tenant" in error
    assert rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["Status"] == "available"
    # It is in the list of what belongs to nobody: not forgotten either.
    assert name in {each.name for each in await (await dedicated.provisioner()).inventory()}
    rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)


async def test_a_process_of_another_region_leaves_the_operation_to_its_own(dedicated: Place) -> None:
    tenant_id = await dedicated.new_tenant()
    await dedicated.sql(
        "INSERT INTO control.cluster_assignments (tenant_id, tier, region, cluster) VALUES (%s, 'dedicated', "
        "'sa-east-1', %s)", tenant_id, names.dedicated_cluster(tenant_id),
    )  # fmt: skip
    provisioner = await dedicated.provisioner()

    with pytest.raises(WrongRegion, match="is in sa-east-1 and this process works in us-east-1"):
        await provisioner.provision_database(tenant_id, tier="dedicated", report=quiet)
    with pytest.raises(WrongRegion):
        await provisioner.drop_database(tenant_id, final_snapshot=False, report=quiet)
    assert dedicated.aws.requests["CreateDBCluster"] == 0


async def test_zones_of_another_region_are_refused_at_the_start(dedicated: Place) -> None:
    with pytest.raises(WrongRegion, match="BEZANT_AWS_REGION"):
        await dedicated.provisioner(zones="sa-east-1a,sa-east-1b,sa-east-1c")


async def test_a_region_without_shared_clusters_says_which_tags_are_looked_for(shared: Place) -> None:
    tenant_id = await shared.new_tenant()
    assert await shared.run(tenant_id) == "failed"
    error = (await shared.sql("SELECT error FROM control.operations WHERE tenant_id = %s", tenant_id))[0][0]
    assert f"no cluster in us-east-1 has the tags bezant:model={shared.model}" in error
    assert "BEZANT_AWS_REGION" in error


async def test_shared_clusters_under_way_are_waited_for(shared: Place) -> None:
    shared.aws.add_shared_cluster(f"bezant-shared-{shared.model}", model=shared.model)
    shared.aws.shared_status = "upgrading"
    tenant_id = await shared.new_tenant()
    told: list[str] = []

    async def report(progress: str) -> None:
        told.append(progress)
        shared.aws.shared_status = None

    await (await shared.provisioner()).provision_database(tenant_id, tier="shared", report=report)
    assert told[0].endswith(f"bezant-shared-{shared.model} is upgrading")


async def test_a_cluster_is_not_thrown_away_for_an_outage_of_the_secret_store(
    dedicated: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "_LONG_BACK_OFF_SECONDS", (0.01,))
    tenant_id = await dedicated.new_tenant()
    outage = Fault("secretsmanager.PutSecretValue", "AccessDeniedException", 403, times=1_000)

    def begin(action: str) -> None:
        if action == "CreateDBInstance" and not dedicated.aws.faults:
            dedicated.aws.faults = [outage]

    dedicated.aws.before = begin
    runner = await dedicated.runner()
    operation = await dedicated.begin(runner, tenant_id, Kind.ONBOARDING)
    while outage.times == 1_000 or (await dedicated.step(tenant_id, "store_credentials"))["attempts"] < 7:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    outage.times = 0
    await ended(runner)
    assert await dedicated.status(operation) == "succeeded"


async def test_secrets_of_a_failed_onboarding_are_gone(dedicated: Place) -> None:
    tenant_id = await dedicated.new_tenant()
    await dedicated.sql("DELETE FROM control.tenant_instances WHERE tenant_id = %s", tenant_id)
    runner = await dedicated.runner(fleet_timeout_seconds=0.02)
    operation = await dedicated.begin(runner, tenant_id, Kind.ONBOARDING)
    await ended(runner)
    assert await dedicated.status(operation) == "failed"
    error = (await dedicated.sql("SELECT error FROM control.operations WHERE tenant_id = %s", tenant_id))[0][0]
    assert all(service.name in error for service in TENANT_SERVICES)
    assert await dedicated.left(tenant_id) == []
