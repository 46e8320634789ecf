"""Migrate the databases of existing tenants before a release, without waiting for those that do not answer.

A tenant's database may be down when a version is released. It is left out and written down in `late_migrations`, and
the tenant service of that version migrates it as soon as it answers. So one tenant's outage delays nobody else's
release. When more than a tenth of the databases do not answer, it is not one tenant's outage: then nothing is released.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from bezant.foundation.database.migrations import digest, migrate, tenant_migrations
from bezant.foundation.database.regional import host_in_region_of

_AT_ONCE: Final = 8
_GIVE_SERVER_UP_AFTER: Final = 3
"""After so many databases in a row that did not answer on one server, its others are not tried."""
_TENTH: Final = 10
_UNANSWERED: Final = (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)


class TooManyUnanswered(psycopg.OperationalError):
    """So many tenants' databases do not answer that the release must wait."""


@dataclass(frozen=True, slots=True)
class _Database:
    tenant_id: UUID
    host: str
    port: int
    name: str
    moved: bool
    """Whether it was made in another region, of which this one has a copy."""


async def migrate_tenant_databases(control: AsyncConnection[Any], provisioner: Mapping[str, Any]) -> list[str]:
    """Apply what is missing in every tenant's database and return what was done, a line each.

    `control` is a connection to the control database, in autocommit; `provisioner` is how its role connects there.
    Raises `TooManyUnanswered`, `MigrationChanged`, and `psycopg.Error` for a migration that fails on a database that
    answers.
    """
    region = str(provisioner.get("host", ""))
    rows = await (
        await control.execute("SELECT tenant_id, writer_host, writer_port, database_name FROM control.placements")
    ).fetchall()
    databases = []
    for tenant_id, written, port, name in rows:
        host = host_in_region_of(region, written)
        databases.append(_Database(tenant_id, host, port, name, moved=host != written))
    done: list[str] = []
    late: list[tuple[_Database, str]] = []
    in_a_row: Counter[tuple[str, int]] = Counter()
    slots = asyncio.Semaphore(_AT_ONCE)

    async def bring(database: _Database) -> None:
        server = (database.host, database.port)
        async with slots:
            if in_a_row[server] >= _GIVE_SERVER_UP_AFTER:
                late.append((database, "its server does not answer"))
                return
            try:
                parameters = {**provisioner, "host": database.host, "port": database.port, "dbname": database.name}
                async with await AsyncConnection.connect(**parameters) as connection:
                    applied = await migrate(connection, tenant_migrations())
            except _UNANSWERED as error:
                in_a_row[server] += 1
                late.append((database, type(error).__name__))
                return
            in_a_row[server] = 0
        done.extend(f"{database.name}: {name}" for name in applied)

    async with asyncio.TaskGroup() as group:
        for database in databases:
            group.create_task(bring(database))
    await _write_down(control, databases, late)
    unanswered = [database for database, _ in late if not database.moved]
    if len(unanswered) > max(1, len(databases) // _TENTH):
        raise TooManyUnanswered(
            f"{len(unanswered)} of {len(databases)} tenants' databases do not answer, "
            f"{unanswered[0].name} on {unanswered[0].host} among them; mend that first, then migrate again"
        )
    return done + [
        f"{database.name}: left out, {database.host} takes no writes ({why}); "
        "the tenant service migrates it when it answers"
        for database, why in late
    ]


async def _write_down(
    control: AsyncConnection[Any], databases: list[_Database], late: list[tuple[_Database, str]]
) -> None:
    left_out = {database.tenant_id for database, _ in late}
    migrated = [database.tenant_id for database in databases if database.tenant_id not in left_out]
    async with control.transaction():
        await control.execute("DELETE FROM control.late_migrations WHERE tenant_id = ANY(%s)", (migrated,))
        for database, why in late:
            await control.execute(
                "INSERT INTO control.late_migrations (tenant_id, wanted, reason) VALUES (%s, %s, %s) "
                "ON CONFLICT (tenant_id) DO UPDATE SET wanted = EXCLUDED.wanted, reason = EXCLUDED.reason",
                (database.tenant_id, digest(tenant_migrations()), why),
            )
