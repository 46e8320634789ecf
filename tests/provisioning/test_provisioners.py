"""One promise, whoever makes the databases: beside the control database, on a shared Aurora cluster, on its own one."""

import asyncio
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from bezant.contracts.fleet import TENANT_SERVICES
from bezant.contracts.identifiers import new_id
from bezant.services.tenant.provisioning.provisioner import Placement, Provisioner

from .conftest import Place, sql

DATABASES = "SELECT 1 FROM pg_database WHERE datname LIKE %s"
PASSWORD = "a-password-of-tests"


async def quiet(_progress: str) -> None:
    """Nobody watches."""


async def onboarded(place: Place, provisioner: Provisioner, tenant_id: UUID) -> Placement:
    """Do what the steps of an onboarding do, and return where the database is."""
    placement = await provisioner.provision_database(tenant_id, tier=place.tier, report=quiet)
    await place.sql(
        "INSERT INTO control.placements VALUES (%s, %s, %s, %s, %s, %s)", tenant_id, placement.writer_host,
        placement.writer_port, placement.reader_host, placement.reader_port, placement.database_name,
    )  # fmt: skip
    await provisioner.run_migrations(placement)
    await provisioner.create_roles(tenant_id, slot="a")
    return placement


async def log_in(placement: Placement, user: str, password: str = PASSWORD) -> psycopg.AsyncConnection[object]:
    return await psycopg.AsyncConnection.connect(
        host=placement.writer_host, port=placement.writer_port, dbname=placement.database_name, user=user,
        password=password, autocommit=True,
    )  # fmt: skip


async def test_a_service_works_in_its_own_schema_and_nowhere_else(place: Place) -> None:
    provisioner = await place.provisioner()
    tenants = [await place.new_tenant(), await place.new_tenant()]
    placements = [await onboarded(place, provisioner, tenant_id) for tenant_id in tenants]
    role = await provisioner.set_password(tenants[0], "payment", slot="a", password=PASSWORD)
    async with await log_in(placements[0], role) as connection:
        await connection.execute("SELECT count(*) FROM payment.payments")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT count(*) FROM ledger.entries")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        await log_in(placements[1], role)


async def test_every_step_can_be_done_again(place: Place) -> None:
    provisioner = await place.provisioner()
    tenant_id = await place.new_tenant()
    placement = await onboarded(place, provisioner, tenant_id)
    assert await provisioner.provision_database(tenant_id, tier=place.tier, report=quiet) == placement
    assert await provisioner.run_migrations(placement) == []
    await provisioner.create_roles(tenant_id, slot="a")
    for password in ("another", PASSWORD):
        role = await provisioner.set_password(tenant_id, "ledger", slot="a", password=password)
    await (await log_in(placement, role)).close()
    databases = [resource for resource in await provisioner.inventory() if resource.tenant_id == tenant_id]
    assert len(databases) == (4 if place.tier == "dedicated" else 1)


async def test_two_processes_at_once_make_one_database(place: Place) -> None:
    provisioners = [await place.provisioner(), await place.provisioner()]
    tenant_id = await place.new_tenant()
    made = await asyncio.gather(
        *(each.provision_database(tenant_id, tier=place.tier, report=quiet) for each in provisioners),
        return_exceptions=True,
    )
    # Cloning one template twice at once may refuse one of them, which the saga tries again.
    placements = [each for each in made if isinstance(each, Placement)]
    assert placements
    assert await provisioners[0].provision_database(tenant_id, tier=place.tier, report=quiet) == placements[0]
    assert (
        len(
            await sql(place.server, "postgres", "SELECT 1 FROM pg_database WHERE datname LIKE %s", f"%{tenant_id.hex}%")
        )
        == 1
    )


async def test_a_rotation_lets_the_new_role_in_and_ends_the_old_one(place: Place) -> None:
    provisioner = await place.provisioner()
    tenant_id = await place.new_tenant()
    placement = await onboarded(place, provisioner, tenant_id)
    old = await provisioner.set_password(tenant_id, "payment", slot="a", password=PASSWORD)
    session = await log_in(placement, old)
    await provisioner.create_roles(tenant_id, slot="b")
    new = await provisioner.set_password(tenant_id, "payment", slot="b", password="new")
    await (await log_in(placement, new, "new")).close()
    await session.execute("SELECT 1")
    await provisioner.retire_roles(tenant_id, slot="a")
    with pytest.raises(psycopg.OperationalError):
        await session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        await log_in(placement, old)
    await (await log_in(placement, new, "new")).close()


async def test_an_export_holds_the_tenant_s_tables(place: Place, tmp_path: Path) -> None:
    provisioner = await place.provisioner()
    tenant_id = await place.new_tenant()
    placement = await onboarded(place, provisioner, tenant_id)
    manifest = await provisioner.export_database(tenant_id, placement, tmp_path / "export")
    assert manifest is not None
    assert {"payment.payments.jsonl.gz", "ledger.entries.jsonl.gz"} <= {file.name for file in manifest.files}


async def test_nothing_is_left_of_a_dropped_tenant_and_the_others_stay(place: Place, tmp_path: Path) -> None:
    provisioner = await place.provisioner()
    kept, dropped = await place.new_tenant(), await place.new_tenant()
    for tenant_id in (kept, dropped):
        placement = await onboarded(place, provisioner, tenant_id)
        role = await provisioner.set_password(tenant_id, "payment", slot="a", password=PASSWORD)
    session = await log_in(placement, role)
    for _ in range(2):
        await provisioner.drop_roles(dropped)
        await provisioner.drop_database(dropped, final_snapshot=False, report=quiet)
        await provisioner.drop_roles(dropped)
    with pytest.raises(psycopg.OperationalError):
        await session.execute("SELECT 1")
    assert await provisioner.export_database(dropped, placement, tmp_path / "none") is None
    await place.sql("DELETE FROM control.cluster_assignments WHERE tenant_id = %s", dropped)
    await place.sql("DELETE FROM control.placements WHERE tenant_id = %s", dropped)
    assert await place.left(dropped) == []
    roles = await sql(place.server, "postgres", "SELECT 1 FROM pg_roles WHERE rolname LIKE %s", f"%{kept.hex}%")
    assert len(roles) == len(TENANT_SERVICES)


async def test_a_tenant_of_which_nothing_was_made_can_be_dropped(place: Place) -> None:
    provisioner = await place.provisioner()
    await provisioner.drop_database(new_id(), final_snapshot=False, report=quiet)
    await provisioner.drop_roles(new_id())
    await provisioner.remove_final_snapshot(new_id())
