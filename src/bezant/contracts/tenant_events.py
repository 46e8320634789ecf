"""Data of the events about tenants; the subject is the tenant's id. Never a secret: each service fetches its own."""

from datetime import datetime
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


class ApiKeyRotated(msgspec.Struct, frozen=True, kw_only=True):
    """`tenant.api_key_rotated`: another key with the same scopes; the old one ends when the overlap is over."""

    key_id: str
    new_key_id: str
    previous_expires_at: datetime


class OperatorChanged(msgspec.Struct, frozen=True, kw_only=True):
    """`tenant.operator_added`, `tenant.operator_removed`: who may sign in to the tenant, and as what."""

    operator_id: UUID
    email: str
    role: str


class OperatorSignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """`tenant.operator_signed_in`, `tenant.operator_signed_out`: a person began or ended a session in the tenant."""

    operator_id: UUID
    role: str
    session_id: str
    of_platform: bool
    """Whether it is a person of the platform, not of the tenant."""


class ApprovalDecided(msgspec.Struct, frozen=True, kw_only=True):
    """`tenant.approval_approved`, `rejected`, `withdrawn`: what was asked for, by whom, and who decided."""

    approval_id: UUID
    action: str
    subject: str
    request: dict[str, Any]
    requested_by: str
    requested_at: datetime
    note: str
