"""Exports of tenants' databases."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg.types.json import Jsonb

from bezant.foundation.control.database import ControlDatabase
from bezant.services.tenant.domain.problems import ExportNotFound
from bezant.services.tenant.operations.read_export import export_file, read_export, remove_exports_that_are_over
from bezant.services.tenant.provisioning.control_cluster import ControlCluster
from bezant.services.tenant.provisioning.export import Manifest, export_database, read_manifest
from bezant.services.tenant.provisioning.exports import Exports
from bezant.services.tenant.sagas.steps import QUERIES

from ..foundation.conftest import Control
from ..stores.fixtures import Stores

AWKWARD = 'a\\b"c\nd\te é \u2028 ${x}'


async def export(stores: Stores, tenant: UUID, directory: Path) -> Manifest:
    async with await psycopg.AsyncConnection.connect(
        stores.server.dsn(f"t{tenant.hex}"), autocommit=True
    ) as connection:
        return await export_database(connection, tenant, directory)


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]]


async def test_everything_is_exported_but_secrets_and_what_moves_events(
    stores: Stores, tenant: UUID, tmp_path: Path
) -> None:
    await stores.as_superuser(
        tenant,
        "INSERT INTO notification.endpoints (endpoint_id, url, description, event_filters, secret) "
        "SELECT gen_random_uuid(), 'https://example.com/', %s, '{*}', 'planted secret' FROM generate_series(1, 3)",
        AWKWARD,
    )
    directory = tmp_path / "export"
    manifest = await export(stores, tenant, directory)
    files = {file.name: file for file in manifest.files}
    assert {"account.accounts.jsonl.gz", "ledger.entries.jsonl.gz", "audit.entries.jsonl.gz"} <= files.keys()
    assert not [name for name in files if any(part in name for part in ("outbox", "inbox", "relay", "idempotency"))]
    assert {path.name for path in directory.iterdir()} == files.keys() | {"manifest.json"}
    rows = lines(directory / "notification.endpoints.jsonl.gz")
    assert len(rows) == files["notification.endpoints.jsonl.gz"].rows == 3
    assert {row["description"] for row in rows} == {AWKWARD}
    assert [row["endpoint_id"] for row in rows] == sorted(row["endpoint_id"] for row in rows)
    assert "secret" not in rows[0]
    for name, file in files.items():
        content = (directory / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
        assert b"planted secret" not in gzip.decompress(content)
        assert (directory / name).stat().st_mode & 0o077 == 0


async def test_every_row_of_a_large_table_is_there_once(stores: Stores, tenant: UUID, tmp_path: Path) -> None:
    await stores.as_superuser(
        tenant,
        "INSERT INTO notification.email_templates (event_type, subject, body, updated_by) "
        "SELECT 'payment.t' || n, 's', repeat('x', 1000), 'key:a' FROM generate_series(1, 5000) n",
    )
    manifest = await export(stores, tenant, tmp_path / "export")
    (file,) = [file for file in manifest.files if file.name == "notification.email_templates.jsonl.gz"]
    assert file.rows == 5_000
    found = lines(tmp_path / "export" / file.name)
    assert len({row["event_type"] for row in found}) == 5_000


async def test_half_an_export_is_none_and_a_whole_one_is_not_made_twice(
    stores: Stores, tenant: UUID, tmp_path: Path
) -> None:
    directory, partial = tmp_path / "export", tmp_path / "export.partial"
    partial.mkdir()
    (partial / "ledger.entries.jsonl.gz").write_bytes(b"half")
    assert read_manifest(directory) is None
    first = await export(stores, tenant, directory)
    assert not partial.exists()
    await stores.as_superuser(tenant, "DROP SCHEMA notification CASCADE")
    assert await export(stores, tenant, directory) == first == read_manifest(directory)


async def test_an_export_is_served_by_its_names_alone_and_removed_when_its_time_is_over(
    control: Control, database: ControlDatabase, stores: Stores, tenant: UUID, tmp_path: Path
) -> None:
    closed = await control.add_tenant(status="active")
    exports = Exports(tmp_path, 90)
    provisioner = ControlCluster(control.settings(), control.secrets)
    manifest = await export(stores, tenant, exports.directory(closed))
    with pytest.raises(ExportNotFound):
        await read_export(database, closed)
    await database.execute(
        QUERIES["insert_export"],
        {"tenant_id": closed, "manifest": Jsonb(msgspec.to_builtins(manifest)), "days": 90},
    )
    assert len((await read_export(database, closed)).files) == len(manifest.files)
    assert (await export_file(database, exports, closed, "ledger.entries.jsonl.gz")).is_file()
    for name in ("manifest.json", "../x", "nothing.here.jsonl.gz"):
        with pytest.raises(ExportNotFound):
            await export_file(database, exports, closed, name)
    assert await remove_exports_that_are_over(database, exports, provisioner) == 0
    await control.as_superuser("UPDATE control.exports SET keep_until = now() - interval '1 second'")
    assert await remove_exports_that_are_over(database, exports, provisioner) == 1
    assert not exports.directory(closed).exists()
    with pytest.raises(ExportNotFound):
        await read_export(database, closed)
