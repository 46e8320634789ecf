"""Provision on one PostgreSQL cluster that many tenants share: a database each, cloned from a template."""

import contextlib
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, sql

from bezant.contracts.fleet import TENANT_SERVICES
from bezant.foundation.control.bootstrap import template_name
from bezant.foundation.database import connection_parameters
from bezant.foundation.database.migrations import migrate, tenant_migrations
from bezant.foundation.failpoints import failpoint
from bezant.foundation.secrets import SecretStore, platform_secret_name
from bezant.foundation.settings import Settings
from bezant.services.tenant.provisioning.export import Manifest, export_database
from bezant.services.tenant.provisioning.provisioner import Placement


def database_name(tenant_id: UUID) -> str:
    """Return the name of a tenant's database."""
    return f"bz_{tenant_id.hex}"


def role_name(tenant_id: UUID, schema: str, slot: str) -> str:
    """Return the name of one of the two login roles that a service has in a tenant's database."""
    return f"bz_{tenant_id.hex}_{schema}_{slot}"


class SharedCluster:
    """Provisioner on the cluster of the control database's server, as the role `bezant_provisioner`."""

    def __init__(self, settings: Settings, secrets: SecretStore) -> None:
        self._settings = settings
        self._secrets = secrets

    async def _connect(self, dbname: str) -> AsyncConnection[Any]:
        credential = await self._secrets.read(platform_secret_name("provisioner"))
        parameters = connection_parameters(
            self._settings,
            host=self._settings.control_database_host,
            port=self._settings.control_database_port,
            dbname=dbname,
            user=credential["user"],
            password=credential["password"],
            application=f"{self._settings.instance_id} provisioner",
        )
        # Cloning, migrating and dropping may take longer than a request's statement.
        parameters["options"] = "-c statement_timeout=60000 -c TimeZone=UTC"
        return await AsyncConnection.connect(autocommit=True, **parameters)

    async def provision_database(self, tenant_id: UUID) -> Placement:
        """See `Provisioner`. Connections are allowed only once PUBLIC cannot connect any more."""
        name = sql.Identifier(database_name(tenant_id))
        async with await self._connect("postgres") as connection:
            # An earlier attempt may have got this far.
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                await connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log ALLOW_CONNECTIONS false").format(
                        name, sql.Identifier(template_name())
                    )
                )
            failpoint("onboarding.database_created")
            await connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            await connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
        host, port = self._settings.control_database_host, self._settings.control_database_port
        return Placement(host, port, host, port, database_name(tenant_id))

    async def run_migrations(self, placement: Placement) -> list[str]:
        """See `Provisioner`. The clone of a current template has nothing left to apply."""
        async with await self._connect(placement.database_name) as connection:
            return await migrate(connection, tenant_migrations())

    async def create_roles(self, tenant_id: UUID, placement: Placement, *, slot: str) -> None:
        """See `Provisioner`. All roles in one transaction."""
        async with await self._connect("postgres") as connection, connection.transaction():
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
                        sql.Identifier(placement.database_name), sql.Identifier(role)
                    )
                )

    async def set_password(self, tenant_id: UUID, schema: str, *, slot: str, password: str) -> str:
        """See `Provisioner`."""
        role = role_name(tenant_id, schema, slot)
        async with await self._connect("postgres") as connection:
            # Hashed here, as psql's \password does: neither the server nor its log ever sees the password.
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            await connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
            )
        return role

    async def retire_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """See `Provisioner`."""
        async with await self._connect("postgres") as connection:
            for service in TENANT_SERVICES:
                assert service.schema is not None
                role = role_name(tenant_id, service.schema, slot)
                cursor = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
                if await cursor.fetchone() is None:
                    continue
                await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(role)))
                await self._end_sessions(connection, role)

    async def drop_roles(self, tenant_id: UUID) -> None:
        """See `Provisioner`."""
        async with await self._connect("postgres") as connection:
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

    async def export_database(self, tenant_id: UUID, placement: Placement, directory: Path) -> Manifest | None:
        """See `Provisioner`."""
        try:
            connection = await self._connect(placement.database_name)
        except psycopg.OperationalError:
            if await self._exists(placement.database_name):
                raise
            return None
        async with connection:
            return await export_database(connection, tenant_id, directory)

    async def _exists(self, name: str) -> bool:
        async with await self._connect("postgres") as connection:
            cursor = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return await cursor.fetchone() is not None

    async def drop_database(self, tenant_id: UUID) -> None:
        """See `Provisioner`."""
        async with await self._connect("postgres") as connection:
            name = sql.Identifier(database_name(tenant_id))
            await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    async def _end_sessions(self, connection: AsyncConnection[Any], role: str) -> None:
        # Ending a session needs membership in the role; its creator may grant it to itself (PostgreSQL 16).
        await connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
