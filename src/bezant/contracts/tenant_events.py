"""Data of the events about tenants; the subject is the tenant's id. Never a secret: each service fetches its own."""

from typing import Any
from uuid import UUID

import msgspec


class DatabasePlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tenant's database is."""

    writer_host: str
    writer_port: int
    reader_host: str
    reader_port: int
    database_name: str


class TenantDatabaseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`tenant.created`, `tenant.credentials_rotated`, `tenant.closing`: every instance acts on the tenant's database.

    `credential_version` is 0 when the tenant is being closed.
    """

    tenant_id: UUID
    credential_version: int
    db_config: DatabasePlace


class TenantStateChanged(msgspec.Struct, frozen=True, kw_only=True):
    """`tenant.activated`, `suspended`, `resumed`, `closing_begun`, `closed`, `onboarding_failed`."""

    tenant_id: UUID


class TenantPoliciesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """`tenant.policies_changed`: the policies as they are now; the rate limit if it was changed too."""

    tenant_id: UUID
    policies: dict[str, Any]
    rate_limit_per_second: int | None


class ApiKeyCreated(msgspec.Struct, frozen=True, kw_only=True):
    """`tenant.api_key_created`, without the key's secret."""

    key_id: str
    name: str
    scopes: list[str]


class ApiKeyRevoked(msgspec.Struct, frozen=True, kw_only=True):
    """`tenant.api_key_revoked`."""

    key_id: str
