"""Onboarding and offboarding as the tenant service does them, with a crash at every place and every fault of AWS."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bezant.contracts.fleet import TENANT_SERVICES
from bezant.foundation import failpoints
from bezant.services.tenant.domain.steps import STEPS, Kind

from .conftest import Place, ended, sql

ON_AURORA = (
    "cluster_assigned",
    "administrator_stored",
    "log_group_made",
    "cluster_requested",
    "instance_requested",
    "cluster_available",
    "cluster_prepared",
)
WITHIN = ("database_created", "database_provisioned", "password_set", "event_written")
AROUND = tuple(f"{when}_{step}" for step in STEPS[Kind.ONBOARDING] for when in ("before", "after"))
UNDOING = (
    "before_undoing_store_credentials",
    "after_undoing_create_roles",
    "before_undoing_provision_database",
    "protection_lifted",
    "cluster_deletion_requested",
    "cluster_gone",
    "database_dropped",
)


class Crash(BaseException):
    """The process has ended at this place."""


@pytest.fixture
def crash_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Arm a failpoint: there the process's operation stops as if it had been killed."""
    directory = tmp_path / "failpoints"
    directory.mkdir()

    def killed(_pid: int, _signal: int) -> None:
        raise Crash

    def arm(name: str) -> Path:
        armed = directory / f"onboarding.{name}"
        armed.touch()
        return armed

    monkeypatch.setattr(failpoints, "_DIRECTORY", str(directory))
    monkeypatch.setattr(os, "kill", killed)
    yield arm
    assert not list(directory.iterdir()), "a failpoint was never reached"


async def is_whole(place: Place, tenant_id: Any) -> None:
    """Assert one database, one role and one secret for each service, and one cluster if it is dedicated."""
    assert len(await place.secrets.names(f"bezant/tenants/{tenant_id}/")) == len(TENANT_SERVICES)
    pattern = f"%{tenant_id.hex}%"
    roles = "SELECT 1 FROM pg_roles WHERE rolname LIKE %s AND rolcanlogin"
    assert len(await sql(place.server, "postgres", roles, pattern)) == len(TENANT_SERVICES)
    databases = "SELECT 1 FROM pg_database WHERE datname LIKE %s AND datallowconn"
    assert len(await sql(place.server, "postgres", databases, pattern)) == 1
    kinds = sorted(each.kind for each in await (await place.provisioner()).inventory() if each.tenant_id == tenant_id)
    assert kinds == (["cluster"] + ["instance"] * 3 if place.tier == "dedicated" else ["database"])


async def test_an_onboarding_ends_with_an_active_tenant(place: Place) -> None:
    tenant_id = await place.new_tenant()
    assert await place.run(tenant_id) == "succeeded"
    await is_whole(place, tenant_id)
    assert await place.sql("SELECT status FROM control.tenants WHERE id = %s", tenant_id) == [("active",)]


async def test_crashes_everywhere_leave_one_whole_tenant(place: Place, crash_at: Callable[[str], Path]) -> None:
    points = [crash_at(name) for name in (*AROUND, *WITHIN, *(ON_AURORA if place.tier == "dedicated" else ()))]
    tenant_id = await place.new_tenant()
    runner = await place.runner()
    operation = await place.begin(runner, tenant_id, Kind.ONBOARDING)
    await ended(runner)
    crashes = 1
    while await place.carry_on(operation) == "running":
        crashes += 1
    assert await place.status(operation) == "succeeded"
    assert crashes >= len(points)
    await is_whole(place, tenant_id)


async def test_crashes_while_an_onboarding_is_undone_leave_nothing(
    place: Place, crash_at: Callable[[str], Path]
) -> None:
    dedicated = {"protection_lifted", "cluster_deletion_requested", "cluster_gone"}
    points = [crash_at(name) for name in UNDOING if place.tier == "dedicated" or name not in dedicated]
    tenant_id = await place.new_tenant()
    # The fleet never comes.
    await place.sql("DELETE FROM control.tenant_instances WHERE tenant_id = %s", tenant_id)
    runner = await place.runner(fleet_timeout_seconds=0.02)
    operation = await place.begin(runner, tenant_id, Kind.ONBOARDING)
    await ended(runner)
    crashes = 1
    while await place.carry_on(operation) == "compensating":
        crashes += 1
    assert await place.status(operation) == "failed"
    assert crashes == len(points)
    assert await place.left(tenant_id) == []
    assert place.log_groups(tenant_id) == {}


FOLLOWER = ("global_requested", "follower_requested")


async def test_crashes_around_a_follower_leave_one_whole_tenant_or_nothing(
    dedicated: Place, crash_at: Callable[[str], Path]
) -> None:
    changes = {"secondary_region": "sa-east-1", "secondary_zone": "sa-east-1a", "secondary_kms_key_id": "key"}
    points = [crash_at(name) for name in (*FOLLOWER, "follower_gone")]
    tenant_id = await dedicated.new_tenant()
    # The fleet never comes: what was made is undone, and the process crashes there too.
    await dedicated.sql("DELETE FROM control.tenant_instances WHERE tenant_id = %s", tenant_id)
    runner = await dedicated.runner(fleet_timeout_seconds=0.02, **changes)
    operation = await dedicated.begin(runner, tenant_id, Kind.ONBOARDING)
    await ended(runner)
    crashes = 1
    while await dedicated.carry_on(operation, fleet_timeout_seconds=0.02, **changes) in ("running", "compensating"):
        crashes += 1
    assert await dedicated.status(operation) == "failed"
    assert crashes == len(points)
    assert await dedicated.left(tenant_id) == []
    assert dedicated.log_groups(tenant_id) == {}
    globals_left = dedicated.aws.client("rds").describe_global_clusters()["GlobalClusters"]
    assert tenant_id.hex not in str(globals_left)
