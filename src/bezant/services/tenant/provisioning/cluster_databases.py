"""Tenant databases and their roles on one PostgreSQL cluster, by SQL, as the role `bezant_provisioner`."""

import contextlib
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, sql

from bezant.contracts.fleet import TENANT_SERVICES
from bezant.foundation.control.cluster import scram_verifier
from bezant.foundation.database import connection_parameters
from bezant.foundation.database.migrations import migrate, tenant_migrations
from bezant.foundation.failpoints import failpoint
from bezant.foundation.secrets import SecretStore, platform_secret_name
from bezant.foundation.settings import Settings
from bezant.services.tenant.provisioning.export import Manifest, export_database


def database_name(tenant_id: UUID) -> str:
    """Return the name of a tenant's database."""
    return f"bz_{tenant_id.hex}"


def role_name(tenant_id: UUID, schema: str, slot: str) -> str:
    """Return the name of one of the two login roles that a service has in a tenant's database."""
    return f"bz_{tenant_id.hex}_{schema}_{slot}"


class ClusterDatabases:
    """The databases of one cluster. Every method is idempotent: it may have been cut off half-way before."""

    def __init__(self, settings: Settings, secrets: SecretStore, *, host: str, port: int) -> None:
        self._settings = settings
        self._secrets = secrets
        self._host = host
        self._port = port

    def parameters(self, *, user: str, password: str) -> dict[str, Any]:
        """Return how a role connects to this cluster, without the database."""
        parameters = connection_parameters(
            self._settings,
            host=self._host,
            port=self._port,
            dbname="postgres",
            user=user,
            password=password,
            application=f"{self._settings.instance_id} provisioner",
        )
        # Cloning, migrating and dropping may take longer than a request's statement.
        parameters["options"] = "-c statement_timeout=60000 -c TimeZone=UTC"
        return parameters

    async def connect(self, dbname: str) -> AsyncConnection[Any]:
        """Connect as the provisioner. Raises `psycopg.OperationalError`."""
        credential = await self._secrets.read(platform_secret_name("provisioner"))
        return await self.connect_as(credential["user"], credential["password"], dbname)

    async def connect_as(self, user: str, password: str, dbname: str) -> AsyncConnection[Any]:
        """Connect as another role, such as the cluster's administrator. Raises `psycopg.OperationalError`."""
        parameters = {**self.parameters(user=user, password=password), "dbname": dbname}
        return await AsyncConnection.connect(autocommit=True, **parameters)

    async def create_database(self, tenant_id: UUID, *, template: str) -> None:
        """Clone the template. Connections are allowed only once PUBLIC cannot connect any more."""
        name = sql.Identifier(database_name(tenant_id))
        async with await self.connect("postgres") as connection:
            # An earlier attempt may have got this far.
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                await connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log ALLOW_CONNECTIONS false").format(
                        name, sql.Identifier(template)
                    )
                )
            failpoint("onboarding.database_created")
            await connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            await connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    async def run_migrations(self, database: str) -> list[str]:
        """Bring the database to this version's schema; the clone of a current template lacks nothing."""
        async with await self.connect(database) as connection:
            return await migrate(connection, tenant_migrations())

    async def create_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """Create a role for each service, all in one transaction; nobody can log in with them yet."""
        async with await self.connect("postgres") as connection, connection.transaction():
            for service in TENANT_SERVICES:
                assert service.schema is not None
                role = role_name(tenant_id, service.schema, slot)
                cursor = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
                if await cursor.fetchone() is None:
                    await connection.execute(
                        sql.SQL("CREATE ROLE {} NOLOGIN IN ROLE {}").format(
                            sql.Identifier(role), sql.Identifier(f"bezant_{service.schema}")
                        )
                    )
                await connection.execute(
                    sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                        sql.Identifier(database_name(tenant_id)), sql.Identifier(role)
                    )
                )

    async def set_password(self, tenant_id: UUID, schema: str, *, slot: str, password: str) -> str:
        """Let the role log in with this password and return its name."""
        role = role_name(tenant_id, schema, slot)
        async with await self.connect("postgres") as connection:
            verifier = await scram_verifier(connection, role, password)
            await connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
            )
        return role

    async def retire_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """End log-ins of the roles of the slot; sessions that use them are closed."""
        async with await self.connect("postgres") as connection:
            for service in TENANT_SERVICES:
                assert service.schema is not None
                role = role_name(tenant_id, service.schema, slot)
                cursor = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
                if await cursor.fetchone() is None:
                    continue
                await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(role)))
                await self._end_sessions(connection, role)

    async def drop_roles(self, tenant_id: UUID) -> None:
        """Remove all roles of the tenant."""
        async with await self.connect("postgres") as connection:
            pattern = f"bz\\_{tenant_id.hex}\\_%"
            cursor = await connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (pattern,))
            for (role,) in await cursor.fetchall():
                name = sql.Identifier(role)
                await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(name))
                await self._end_sessions(connection, role)
                database = database_name(tenant_id)
                exists = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
                if await exists.fetchone() is not None:
                    await connection.execute(
                        sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(sql.Identifier(database), name)
                    )
                await connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))

    async def export_database(self, tenant_id: UUID, directory: Path) -> Manifest | None:
        """Write everything in the tenant's database to a directory; None when there is no database any more."""
        try:
            connection = await self.connect(database_name(tenant_id))
        except psycopg.OperationalError:
            if await self._exists(database_name(tenant_id)):
                raise
            return None
        async with connection:
            return await export_database(connection, tenant_id, directory)

    async def _exists(self, name: str) -> bool:
        async with await self.connect("postgres") as connection:
            cursor = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return await cursor.fetchone() is not None

    async def drop_database(self, tenant_id: UUID) -> None:
        """Remove the tenant's database and whoever is connected to it."""
        async with await self.connect("postgres") as connection:
            name = sql.Identifier(database_name(tenant_id))
            await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    async def sizes(self) -> list[tuple[UUID, int | None]]:
        """Return every tenant database of the cluster with its bytes, None where we may not look."""
        async with await self.connect("postgres") as connection:
            # Its size is only for whoever may connect to it.
            cursor = await connection.execute(
                "SELECT datname, CASE WHEN has_database_privilege(datname, 'CONNECT') THEN pg_database_size(oid) END "
                "FROM pg_database WHERE datname ~ '^bz_[0-9a-f]{32}$' ORDER BY datname"
            )
            return [(UUID(name.removeprefix("bz_")), size) for name, size in await cursor.fetchall()]

    async def _end_sessions(self, connection: AsyncConnection[Any], role: str) -> None:
        # Ending a session needs membership in the role; its creator may grant it to itself (PostgreSQL 16).
        await connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
