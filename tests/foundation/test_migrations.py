"""Migrations: each file once, whole, in order, and never another text under an old name."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from bezant.foundation.control.bootstrap import prepare_platform, template_name
from bezant.foundation.control.tenant_databases import TooManyUnanswered
from bezant.foundation.database import load_queries
from bezant.foundation.database.migrations import (
    Migration,
    MigrationChanged,
    digest,
    migrate,
    migrations_of,
    tenant_migrations,
)
from bezant.services.tenant.operations.migrate_late import migrate_late
from bezant.services.tenant.provisioning.control_cluster import ControlCluster

from ..stores.fixtures import PostgresServer, Secrets
from .conftest import PREPARED, Control

ONE = Migration("test", "0001_pre_one.sql", "CREATE TABLE one (n integer); INSERT INTO one VALUES (1);")
TWO = Migration("test", "0002_pre_two.sql", "INSERT INTO one VALUES (2);")


@pytest.fixture
async def dsn(postgres_server: PostgresServer) -> AsyncIterator[str]:
    name = f"migrated_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(postgres_server.dsn("postgres"), autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        yield postgres_server.dsn(name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


async def _migrate(dsn: str, *migrations: Migration) -> list[str]:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        return await migrate(connection, list(migrations))


async def _rows(dsn: str, query: str) -> list[Any]:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        return await (await connection.execute(query)).fetchall()  # type: ignore[arg-type]


async def test_each_file_is_applied_once_and_in_order(dsn: str) -> None:
    assert await _migrate(dsn, ONE) == ["test/0001_pre_one.sql"]
    assert await _migrate(dsn, ONE, TWO) == ["test/0002_pre_two.sql"]
    assert await _migrate(dsn, ONE, TWO) == []
    assert await _rows(dsn, "SELECT n FROM one ORDER BY n") == [(1,), (2,)]


async def test_a_file_that_was_changed_after_it_was_applied_is_refused(dsn: str) -> None:
    await _migrate(dsn, ONE)
    changed = replace(ONE, sql=ONE.sql + " -- harmless")
    with pytest.raises(MigrationChanged, match="0001_pre_one"):
        await _migrate(dsn, changed, TWO)
    assert await _rows(dsn, "SELECT n FROM one") == [(1,)], "nothing after it is applied either"


async def test_a_file_that_fails_leaves_nothing_of_itself_and_no_lock(dsn: str) -> None:
    broken = Migration("test", "0002_pre_broken.sql", "INSERT INTO one VALUES (9); SELECT 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await _migrate(dsn, ONE, broken)
    assert await _rows(dsn, "SELECT n FROM one") == [(1,)]
    assert await _migrate(dsn, ONE, TWO) == ["test/0002_pre_two.sql"]


async def test_processes_that_migrate_at_once_apply_each_file_once(dsn: str) -> None:
    applied = await asyncio.gather(*(_migrate(dsn, ONE, TWO) for _ in range(6)))
    assert sorted(map(len, applied)) == [0, 0, 0, 0, 0, 2]
    assert await _rows(dsn, "SELECT n FROM one ORDER BY n") == [(1,), (2,)]


async def test_owners_have_names_of_their_own(dsn: str) -> None:
    other = Migration("other", ONE.name, "CREATE TABLE two (n integer);")
    assert await _migrate(dsn, ONE, other) == ["test/0001_pre_one.sql", "other/0001_pre_one.sql"]


def _package(directory: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> str:
    name = f"migrations_{uuid4().hex}"
    (directory / name).mkdir()
    (directory / name / "__init__.py").touch()
    for file, text in files.items():
        (directory / name / f"{file}.sql").write_text(text)
    monkeypatch.syspath_prepend(directory)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


@pytest.mark.parametrize("name", ["1_pre_short", "0001_mid_what", "0001_pre_Upper", "0001_pre_", "what"])
def test_a_file_with_a_wrong_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ValueError, match="NNNN_pre_what"):
        migrations_of("payment", _package(tmp_path, monkeypatch, **{name: ""}))


def test_the_template_gets_another_name_when_any_migration_changes() -> None:
    shipped = tenant_migrations()
    names = {digest(shipped), digest(shipped[:-1]), digest([*shipped[:-1], replace(shipped[-1], sql="")])}
    assert len(names) == 3
    assert template_name().endswith(digest(shipped))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a\nSELECT 1", "sentence"),
        ("-- name: a\n-- One.\nSELECT 1\n-- name: a\n-- Two.\nSELECT 2", "called a"),
    ],
)
def test_queries_need_a_sentence_and_a_name_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        load_queries(_package(tmp_path, monkeypatch, queries=text), "queries.sql")


async def test_preparing_a_platform_again_changes_nothing(postgres_server: PostgresServer, prepared: Secrets) -> None:
    before = dict(prepared.values)
    administrator = {"host": "127.0.0.1", "port": postgres_server.port, "user": "postgres"}
    assert await prepare_platform(administrator, control_database=PREPARED, secrets=prepared) == []
    assert prepared.values == before


HERE = "bezant-control.cluster-cq7eb2example.sa-east-1.rds.amazonaws.com"
THERE = "bezant-shared-1.cluster-c1a2b3example.us-east-1.rds.amazonaws.com"


async def test_a_promoted_region_migrates_its_own_copies_and_waits_for_none_that_is_late(
    control: Control, postgres_server: PostgresServer, prepared: Secrets, dsn: str
) -> None:
    """What the placements say of hosts is of the region that is lost; here all these names lead to one server."""
    late, gone = await control.add_tenant(), await control.add_tenant()
    copied = dsn.partition("dbname=")[2].split()[0]
    insert = "INSERT INTO control.placements VALUES (%s, %s, %s, %s, %s, %s)"
    await control.as_superuser(insert, late, THERE, postgres_server.port, THERE, postgres_server.port, copied)
    await control.as_superuser(insert, gone, THERE, postgres_server.port, THERE, postgres_server.port, "there_is_none")
    promoted = {"host": HERE, "hostaddr": "127.0.0.1", "port": postgres_server.port, "user": "postgres"}

    async def prepare(administrator: dict[str, Any]) -> list[str]:
        return sorted(await prepare_platform(administrator, control_database=PREPARED, secrets=prepared))

    await control.as_superuser(f"ALTER DATABASE {copied} SET default_transaction_read_only = on")
    left_out = await prepare(promoted)
    assert [line.partition(": ")[0] for line in left_out] == sorted([copied, "there_is_none"])
    assert all("bezant-shared-1.cluster-cq7eb2example.sa-east-1" in line for line in left_out)
    await control.as_superuser(f"ALTER DATABASE {copied} SET default_transaction_read_only = off")
    await control.as_superuser(f"ALTER DATABASE {copied} OWNER TO bezant_provisioner")
    assert len([line for line in await prepare(promoted) if line.startswith(f"{copied}: ")]) == len(tenant_migrations())
    in_their_region = await prepare({**promoted, "host": THERE.replace("bezant-shared-1", "bezant-control")})
    assert [line.partition(": ")[0] for line in in_their_region] == ["there_is_none"]


async def _placed(control: Control, postgres_server: PostgresServer, database: str, *, port: int = 0) -> UUID:
    tenant_id = await control.add_tenant()
    server = ("127.0.0.1", port or postgres_server.port)
    insert = "INSERT INTO control.placements VALUES (%s, %s, %s, %s, %s, %s)"
    await control.as_superuser(insert, tenant_id, *server, *server, database)
    return tenant_id


async def _release(postgres_server: PostgresServer, prepared: Secrets) -> list[str]:
    administrator = {"host": "127.0.0.1", "port": postgres_server.port, "user": "postgres"}
    return await prepare_platform(administrator, control_database=PREPARED, secrets=prepared)


async def test_one_tenants_dead_database_delays_nobodys_release_and_is_migrated_when_it_answers(
    control: Control, postgres_server: PostgresServer, prepared: Secrets, dsn: str
) -> None:
    database = dsn.partition("dbname=")[2].split()[0]
    await control.as_superuser(f"ALTER DATABASE {database} OWNER TO bezant_provisioner")
    await control.as_superuser(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    dead = await _placed(control, postgres_server, database)
    told = await _release(postgres_server, prepared)
    assert [line for line in told if line.startswith(f"{database}: left out")] == told
    assert [row[0] for row in await control.as_superuser("SELECT tenant_id FROM control.late_migrations")] == [dead]
    tenant_service = await control.open("tenant")
    provisioner = ControlCluster(control.settings(), prepared)
    assert await migrate_late(tenant_service, provisioner) == 0, "it still does not answer"
    await control.as_superuser(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    assert await migrate_late(tenant_service, provisioner) == 1
    assert await control.as_superuser("SELECT tenant_id FROM control.late_migrations") == []
    assert await _release(postgres_server, prepared) == [], "nothing was missing any more"


async def test_an_older_version_does_not_take_a_late_migration_for_its_own(
    control: Control, postgres_server: PostgresServer, prepared: Secrets
) -> None:
    newer = await _placed(control, postgres_server, "there_is_none")
    await control.as_superuser("INSERT INTO control.late_migrations VALUES (%s, 'ofanewerone', 'away')", newer)
    assert await migrate_late(await control.open("tenant"), ControlCluster(control.settings(), prepared)) == 0
    assert len(await control.as_superuser("SELECT 1 FROM control.late_migrations")) == 1


async def test_a_release_waits_when_it_is_not_one_tenants_outage(
    control: Control, postgres_server: PostgresServer, prepared: Secrets
) -> None:
    for number in range(4):
        await _placed(control, postgres_server, f"there_is_none_{number}", port=1)
    with pytest.raises(TooManyUnanswered, match="4 of 4"):
        await _release(postgres_server, prepared)
    assert len(await control.as_superuser("SELECT 1 FROM control.late_migrations")) == 4


async def test_a_services_control_role_reads_the_registry_and_writes_only_its_own(
    postgres_server: PostgresServer, prepared: Secrets
) -> None:
    dsn = postgres_server.dsn(PREPARED).replace("user=postgres", "user=bezant_control_payment_user")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SELECT * FROM control.tenants")
        for forbidden in (
            "UPDATE control.tenants SET status = 'active'",
            "INSERT INTO control.api_keys (key_id, secret_hash, name, scopes, created_by) "
            "VALUES ('a', sha256('a'), 'a', '{admin}', 'a')",
            "DELETE FROM control.placements",
            "SELECT * FROM control.operations",
            "SELECT * FROM control.outbox",
            "CREATE TABLE control.mine ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(forbidden)
