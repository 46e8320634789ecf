"""Export a tenant's database: one gzipped JSON Lines file a table, and a manifest with their SHA-256.

Everything is read in one snapshot. Rows are as `row_to_json` writes them (bytes as hexadecimal with `\\x`), ordered by
the primary key. Left out: secrets, and what only moves events about.
"""

import asyncio
import gzip
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, IsolationLevel, sql

from bezant.contracts.fleet import TENANT_SERVICES

MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_TECHNICAL: Final = frozenset({"outbox", "inbox", "relay_state", "idempotency"})
_SECRET: Final = frozenset(
    {
        ("notification", "endpoints", column)
        for column in ("secret", "previous_secret", "signing_key", "previous_signing_key", "confirmation_hash")
    }
)
_CHUNK_BYTES: Final = 1024 * 1024
_TABLES: Final = """
SELECT n.nspname, c.relname,
       (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
       (SELECT array_agg(a.attname ORDER BY array_position(i.indkey::int2[], a.attnum)) FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND i.indisprimary)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1, 2
"""


class ExportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an export; `sha256` is of the file as it lies there."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an export holds."""

    format: int
    tenant_id: UUID
    made_at: datetime
    files: list[ExportedFile]


@dataclass(frozen=True, slots=True)
class _Table:
    schema: str
    name: str
    columns: list[str]
    key: list[str]


async def export_database(connection: AsyncConnection[Any], tenant_id: UUID, directory: Path) -> Manifest:
    """Write the export to `directory`, which appears only when it is whole, and return its manifest.

    An export that is there already is returned as it is. Raises `OSError`.
    """
    known = read_manifest(directory)
    if known is not None:
        return known
    partial = directory.with_name(directory.name + ".partial")
    await asyncio.to_thread(_fresh, partial)
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
    files = []
    async with connection.transaction():
        # However long it takes: nobody waits for it, and the snapshot holds nobody up in a database that is closed.
        await connection.execute("SET LOCAL statement_timeout = 0")
        for table in await _tables(connection):
            files.append(await _write(connection, table, partial))
    manifest = Manifest(format=_FORMAT, tenant_id=tenant_id, made_at=datetime.now(UTC), files=files)
    await asyncio.to_thread(_finish, manifest, partial, directory)
    return manifest


def read_manifest(directory: Path) -> Manifest | None:
    """Return the manifest of a whole export, None if there is none."""
    try:
        return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None


async def _tables(connection: AsyncConnection[Any]) -> list[_Table]:
    schemas = [service.schema for service in TENANT_SERVICES]
    rows = await (await connection.execute(_TABLES, (schemas,))).fetchall()
    return [
        _Table(schema, name, [each for each in columns if (schema, name, each) not in _SECRET], key or [])
        for schema, name, columns, key in rows
        if name not in _TECHNICAL
    ]


async def _write(connection: AsyncConnection[Any], table: _Table, directory: Path) -> ExportedFile:
    path = directory / f"{table.schema}.{table.name}.jsonl.gz"
    rows = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
        buffer = bytearray()
        async for line in _lines(connection, table):
            buffer += line.encode() + b"\n"
            rows += 1
            if len(buffer) >= _CHUNK_BYTES:
                # Packing takes the processor: not on the loop that renews the lease.
                await asyncio.to_thread(packed.write, bytes(buffer))
                buffer.clear()
        await asyncio.to_thread(packed.write, bytes(buffer))
    size, digest = await asyncio.to_thread(_digest, path)
    return ExportedFile(name=path.name, rows=rows, bytes=size, sha256=digest)


async def _lines(connection: AsyncConnection[Any], table: _Table) -> AsyncIterator[str]:
    order = (
        sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(map(sql.Identifier, table.key))) if table.key else sql.SQL("")
    )
    statement = sql.SQL("COPY (SELECT row_to_json(row) FROM (SELECT {} FROM {}{}) row) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, table.columns)), sql.Identifier(table.schema, table.name), order
    )
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        async for (line,) in copy.rows():
            yield line


def _fresh(directory: Path) -> None:
    """Make an empty directory where an earlier attempt may have left half an export."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)


def _finish(manifest: Manifest, partial: Path, directory: Path) -> None:
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    descriptor = os.open(partial / MANIFEST, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        os.fsync(file.fileno())
    for each in partial.iterdir():
        with each.open("rb") as file:
            os.fsync(file.fileno())
    partial.rename(directory)


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
