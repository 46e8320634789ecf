"""Prepare a PostgreSQL cluster for Bezant: roles, control database, template, keys. Run by `bezant up` and by
`bezant migrate` with an administrator's connection; safe to run again at any time.

Roles (cluster-wide): `bezant_provisioner` may create databases and roles and owns every tenant database; the
group roles `bezant_<schema>` carry the table grants of the migrations; a tenant's login roles are members of
them and may connect to that tenant's database only.
"""

import base64
import secrets as random_secrets
from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection, sql

from bezant.contracts.fleet import SERVICES
from bezant.foundation.control.cluster import (
    Administrator,
    credential_of,
    ensure_database,
    ensure_group_roles,
    ensure_login,
    ensure_provisioner,
    ensure_role,
    ensure_template,
    template_name,
)
from bezant.foundation.control.tenant_databases import migrate_tenant_databases
from bezant.foundation.database.migrations import control_migrations, migrate
from bezant.foundation.identity.certificates import self_signed_certificate
from bezant.foundation.identity.internal_tokens import new_signing_key
from bezant.foundation.secrets import (
    SecretMissing,
    SecretStore,
    control_secret_name,
    platform_secret_name,
    signing_secret_name,
    verifying_secret_name,
)

CLIENT_NAME = "bezant-webhooks"
"""How Bezant calls itself to receivers of webhooks that ask for a certificate."""


async def prepare_platform(
    administrator: Administrator,
    *,
    control_database: str,
    secrets: SecretStore,
    tenant_server: tuple[str, int] | None = None,
) -> list[str]:
    """Make everything that the services need before they start, and return what was done, a line each.

    `tenant_server` is the host and port of a server that has the tenants' databases in the control database's place,
    with the same administrator. Raises `TooManyUnanswered`, `MigrationChanged`, `psycopg.Error`.
    """
    done = await _prepare_keys(secrets)
    async with await AsyncConnection.connect(dbname="postgres", autocommit=True, **administrator) as connection:
        await ensure_provisioner(connection, secrets)
        for group in ("bezant_control_tenant", "bezant_control_service"):
            await ensure_role(connection, group)
        if await ensure_database(connection, control_database):
            done.append(f"created the database {control_database}")
        for service in SERVICES:
            user = f"bezant_control_{service}_user"
            password = await credential_of(secrets, control_secret_name(service), user)
            await ensure_login(connection, user, password, "")
            group = "bezant_control_tenant" if service == "tenant" else "bezant_control_service"
            await connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(user)))
            await connection.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                    sql.Identifier(control_database), sql.Identifier(user)
                )
            )
    async with await AsyncConnection.connect(dbname=control_database, **administrator) as connection:
        done += [f"control database: {name}" for name in await migrate(connection, control_migrations())]
    if tenant_server is not None:
        host, port = tenant_server
        done += await _prepare_tenant_server({**administrator, "host": host, "port": port}, secrets)
    done += await _prepare_tenant_databases(administrator, control_database, secrets)
    return done


async def _prepare_keys(secrets: SecretStore) -> list[str]:
    """Make the services' signing keys, the audit log's and the webhook secrets' key, unless they exist."""
    done = []
    try:
        public_keys = await secrets.read(verifying_secret_name())
    except SecretMissing:
        public_keys = {}
    changed = False
    for service in SERVICES:
        if service in public_keys:
            continue
        private, public = new_signing_key()
        # The private key first: a crash in between leaves a key that nobody trusts yet, and both are replaced.
        await secrets.write(signing_secret_name(service), {"private_key": private})
        public_keys[service] = public
        changed = True
    if changed:
        await secrets.write(verifying_secret_name(), public_keys)
        done.append("made the services' signing keys")
    try:
        await secrets.read(platform_secret_name("audit-signing"))
    except SecretMissing:
        private, public = new_signing_key()
        await secrets.write(platform_secret_name("audit-signing"), {"private_key": private, "public_key": public})
        done.append("made the audit log's signing key")
    try:
        await secrets.read(platform_secret_name("webhook-secrets"))
    except SecretMissing:
        key = base64.b64encode(random_secrets.token_bytes(32)).decode()
        await secrets.write(platform_secret_name("webhook-secrets"), {"key": key})
        done.append("made the key of the webhook secrets")
    try:
        await secrets.read(platform_secret_name("webhook-client-certificate"))
    except SecretMissing:
        certificate, private_key = self_signed_certificate(CLIENT_NAME)
        await secrets.write(
            platform_secret_name("webhook-client-certificate"),
            {"certificate": certificate, "private_key": private_key},
        )
        done.append("made the client certificate of the webhooks")
    return done


async def _prepare_tenant_server(administrator: Administrator, secrets: SecretStore) -> list[str]:
    """Make on another server what tenants' databases there are made with."""
    async with await AsyncConnection.connect(dbname="postgres", autocommit=True, **administrator) as connection:
        await ensure_provisioner(connection, secrets)
    return await _prepare_template(await _provisioner(administrator, secrets))


async def _provisioner(administrator: Administrator, secrets: SecretStore) -> dict[str, Any]:
    """Return how the provisioner connects to the administrator's server."""
    credential = await secrets.read(platform_secret_name("provisioner"))
    return {**administrator, "user": credential["user"], "password": credential["password"]}


async def _prepare_template(provisioner: Mapping[str, Any]) -> list[str]:
    """Make the group roles and the template of this version."""
    async with await AsyncConnection.connect(dbname="postgres", autocommit=True, **provisioner) as connection:
        await ensure_group_roles(connection)
        made = await ensure_template(connection, provisioner)
    return [f"made the template database {template_name()}"] if made else []


async def _prepare_tenant_databases(
    administrator: Administrator, control_database: str, secrets: SecretStore
) -> list[str]:
    """Make the template of this version and migrate the databases of existing tenants."""
    provisioner = await _provisioner(administrator, secrets)
    done = await _prepare_template(provisioner)
    async with await AsyncConnection.connect(dbname=control_database, autocommit=True, **administrator) as control:
        return done + await migrate_tenant_databases(control, provisioner)
