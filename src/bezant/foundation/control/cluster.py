"""What every PostgreSQL cluster with tenant databases has, the control database's and any other: the provisioner, the
group roles that the migrations grant to, and the template that tenant databases are cloned from.
"""

import contextlib
import secrets as random_secrets
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql

from bezant.contracts.fleet import TENANT_SERVICES
from bezant.foundation.database.migrations import digest, migrate, tenant_migrations
from bezant.foundation.secrets import SecretMissing, SecretStore, platform_secret_name

PROVISIONER = "bezant_provisioner"
Administrator = Mapping[str, Any]
"""Connection parameters (host, port, user, password, sslmode...) of a role that may create roles and databases."""


def template_name() -> str:
    """Return the name of the template database for the tenant migrations of this version."""
    return f"bezant_template_{digest(tenant_migrations())}"


async def ensure_provisioner(connection: AsyncConnection[Any], secrets: SecretStore) -> None:
    """Let the provisioner log in, with the same credential on every cluster. Needs an administrator's connection."""
    password = await credential_of(secrets, platform_secret_name("provisioner"), PROVISIONER)
    await ensure_login(connection, PROVISIONER, password, "CREATEDB CREATEROLE")


async def ensure_group_roles(connection: AsyncConnection[Any]) -> None:
    """Make the roles that the migrations grant to. Needs the provisioner's connection.

    Created by the provisioner, who thereby may grant them (PostgreSQL 16: CREATEROLE's admin option).
    """
    for service in TENANT_SERVICES:
        await ensure_role(connection, f"bezant_{service.schema}")


async def ensure_template(connection: AsyncConnection[Any], provisioner: Mapping[str, Any]) -> bool:
    """Make this version's template unless it exists; return whether it was made.

    `connection` is the provisioner's to any other database of the cluster, `provisioner` how it connects.
    """
    name = template_name()
    building = f"{name}_building"
    if await database_exists(connection, name):
        return False
    # Two processes may come at the same time: the second one finds it made.
    await connection.execute("SELECT pg_advisory_lock(hashtext('bezant template'))")
    try:
        if await database_exists(connection, name):
            return False
        # Built under another name, so that a half-migrated template is never cloned.
        await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(building)))
        await ensure_database(connection, building)
        async with await AsyncConnection.connect(**{**provisioner, "dbname": building}) as template:
            await migrate(template, tenant_migrations())
        await connection.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(building), sql.Identifier(name))
        )
    finally:
        with contextlib.suppress(psycopg.Error):
            await connection.execute("SELECT pg_advisory_unlock(hashtext('bezant template'))")
    return True


async def credential_of(secrets: SecretStore, name: str, user: str) -> str:
    """Return the password in the secret, made on first use."""
    try:
        return (await secrets.read(name))["password"]
    except SecretMissing:
        password = random_secrets.token_urlsafe(32)
        await secrets.write(name, {"user": user, "password": password})
        return password


async def ensure_role(connection: AsyncConnection[Any], name: str) -> None:
    """Create a group role unless it exists."""
    cursor = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
    if await cursor.fetchone() is None:
        try:
            await connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
        except psycopg.errors.DuplicateObject:
            # Another process prepares the same cluster at this moment.
            return


async def ensure_login(connection: AsyncConnection[Any], name: str, password: str, attributes: str) -> None:
    """Create a role unless it exists, and let it log in with this password."""
    await ensure_role(connection, name)
    verifier = await scram_verifier(connection, name, password)
    await connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN {} PASSWORD {}").format(
            sql.Identifier(name),
            sql.SQL(attributes),
            sql.Literal(verifier),
        )
    )


async def scram_verifier(connection: AsyncConnection[Any], name: str, password: str) -> str:
    """Return what the server keeps of a role's password, hashed here: neither the server nor its log ever sees it.

    One iteration: the passwords of Bezant's roles are 256 random bits, which no stretching makes harder to guess, and
    4,096 iterations at both ends cost each new connection some milliseconds of processor time (RFC 7677 section 4 asks
    for them for what people choose). libpq takes the number from the session's `scram_iterations` (PostgreSQL 16).
    """
    await connection.execute("SET scram_iterations = 1")
    return connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()


async def database_exists(connection: AsyncConnection[Any], name: str) -> bool:
    """Return whether the cluster has the database."""
    cursor = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
    return await cursor.fetchone() is not None


async def ensure_database(connection: AsyncConnection[Any], name: str) -> bool:
    """Create a database that PUBLIC cannot connect to, unless it exists; return whether it was created."""
    if await database_exists(connection, name):
        return False
    await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    # Roles are cluster-wide: without this every tenant's role could connect to every database.
    await connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    return True
