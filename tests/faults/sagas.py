"""What an onboarding, a rotation and an offboarding leave, seen from inside; and real ways to make a step fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bezant.contracts.fleet import TENANT_SERVICES

from .fleet import Fleet

SECRETS_OF_A_TENANT = "bezant/tenants/{}/"


async def is_whole(fleet: Fleet, tenant_id: str) -> None:
    """Assert that the tenant has one database, and one login role and one secret for each service."""
    assert await databases(fleet, tenant_id) == [await fleet.database_of(tenant_id)]
    assert len(await login_roles(fleet, tenant_id)) == len(TENANT_SERVICES)
    names = await fleet.secrets.names(SECRETS_OF_A_TENANT.format(tenant_id))
    assert names == sorted(f"bezant/tenants/{tenant_id}/{service.name}" for service in TENANT_SERVICES)
    assert await unfinished_operations(fleet, tenant_id) == []


async def nothing_is_left(fleet: Fleet, tenant_id: str) -> None:
    """Assert that the tenant has no database, role, secret, placement or running operation any more."""
    assert await databases(fleet, tenant_id) == []
    assert await roles(fleet, tenant_id) == []
    assert await fleet.secrets.names(SECRETS_OF_A_TENANT.format(tenant_id)) == []
    assert await fleet.rows("SELECT 1 FROM control.placements WHERE tenant_id = %s", tenant_id) == []
    assert await unfinished_operations(fleet, tenant_id) == []


async def databases(fleet: Fleet, tenant_id: str) -> list[str]:
    pattern = f"%{tenant_id.replace('-', '')}%"
    return [row[0] for row in await fleet.rows("SELECT datname FROM pg_database WHERE datname LIKE %s", pattern)]


async def roles(fleet: Fleet, tenant_id: str) -> list[str]:
    pattern = f"%{tenant_id.replace('-', '')}%"
    return [row[0] for row in await fleet.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", pattern)]


async def login_roles(fleet: Fleet, tenant_id: str) -> list[str]:
    pattern = f"%{tenant_id.replace('-', '')}%"
    query = "SELECT rolname FROM pg_roles WHERE rolname LIKE %s AND rolcanlogin"
    return [row[0] for row in await fleet.rows(query, pattern)]


async def unfinished_operations(fleet: Fleet, tenant_id: str) -> list[str]:
    query = "SELECT kind FROM control.operations WHERE tenant_id = %s AND finished_at IS NULL"
    return [row[0] for row in await fleet.rows(query, tenant_id)]


@asynccontextmanager
async def provisioner_that_may_make_no_roles(fleet: Fleet) -> AsyncIterator[None]:
    """Take from the provisioner what it needs for the step `create_roles`."""
    await fleet.rows("ALTER ROLE bezant_provisioner NOCREATEROLE")
    try:
        yield
    finally:
        await fleet.rows("ALTER ROLE bezant_provisioner CREATEROLE")
