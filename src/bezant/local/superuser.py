"""Statements as the administrator of a local platform's database servers: for rehearsals of faults, and for tests."""

from typing import Any

import psycopg

from bezant.local.platform import LocalPlatform
from bezant.local.ports import HOST
from bezant.local.postgres import SUPERUSER

CONTROL_DATABASE = "bezant_control"


async def superuser(platform: LocalPlatform, database: str = "postgres") -> "psycopg.AsyncConnection[tuple[Any, ...]]":
    """Connect to a database as the administrator, in autocommit. Raises `psycopg.OperationalError`."""
    ports = platform.options.ports
    apart = database == CONTROL_DATABASE and platform.options.control_server
    return await psycopg.AsyncConnection.connect(
        host=HOST,
        port=ports.postgres_control if apart else ports.postgres,
        user=SUPERUSER,
        password=platform.directory.superuser_password.read_text(),
        dbname=database,
        autocommit=True,
    )


async def rows(
    platform: LocalPlatform, statement: str, *parameters: Any, database: str = CONTROL_DATABASE
) -> list[tuple[Any, ...]]:
    """Run a statement as the administrator and return its rows, none for one without a result."""
    async with await superuser(platform, database) as connection:
        cursor = await connection.execute(statement.encode(), parameters)
        return [] if cursor.description is None else await cursor.fetchall()


async def database_of(platform: LocalPlatform, tenant_id: str) -> str:
    """Return the name of a tenant's database."""
    found = await rows(platform, "SELECT database_name FROM control.placements WHERE tenant_id = %s", tenant_id)
    return str(found[0][0])


async def end_sessions(platform: LocalPlatform, tenant_id: str) -> None:
    """End every connection to a tenant's database."""
    database = await database_of(platform, tenant_id)
    await rows(platform, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", database)


async def allow_connections(platform: LocalPlatform, tenant_id: str, *, allowed: bool) -> None:
    """Let connections to a tenant's database be made, or refuse them and end those that there are."""
    database = await database_of(platform, tenant_id)
    await rows(platform, f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS {str(allowed).lower()}')
    if not allowed:
        await end_sessions(platform, tenant_id)
