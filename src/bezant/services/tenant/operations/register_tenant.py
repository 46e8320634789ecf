"""Register a tenant: the registry row, its first API key and the onboarding operation, in one transaction."""

from dataclasses import dataclass
from uuid import UUID

from psycopg import errors
from psycopg.types.json import Jsonb

from bezant.contracts.identifiers import new_id
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.failpoints import failpoint
from bezant.foundation.idempotency import claim_key
from bezant.foundation.identity.api_keys import DEFAULT_SCOPES, new_api_key
from bezant.services.tenant.domain.problems import SlugTaken
from bezant.services.tenant.domain.steps import Kind
from bezant.services.tenant.sagas.runner import SagaRunner
from bezant.services.tenant.sagas.steps import QUERIES
from bezant.services.tenant.storage.acts import record_act


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What an administrator asks for."""

    name: str
    slug: str
    tier: str
    default_currency: str
    rate_limit_per_second: int
    policies: dict[str, object]


async def register_tenant(
    control: ControlDatabase,
    runner: SagaRunner,
    wanted: NewTenant,
    *,
    actor: str,
    key: str,
    request_fingerprint: bytes,
) -> tuple[UUID, str | None]:
    """Return (tenant id, the API key to show once); the key is None when this request was made before.

    Raises `SlugTaken`, `IdempotencyKeyReused`, `ControlUnavailable`.
    """
    tenant_id = new_id()
    key_id, api_key, secret_hash = new_api_key()
    try:
        async with control.transaction() as connection:
            known = await claim_key(
                connection, "control", key=key, request_fingerprint=request_fingerprint, resource_id=tenant_id
            )
            if known is not None:
                return known.resource_id, None
            await connection.execute(
                QUERIES["insert_tenant"],
                {
                    "id": tenant_id,
                    "slug": wanted.slug,
                    "name": wanted.name,
                    "tier": wanted.tier,
                    "default_currency": wanted.default_currency,
                    "policies": Jsonb(wanted.policies),
                    "rate_limit_per_second": wanted.rate_limit_per_second,
                },
            )
            await connection.execute(
                QUERIES["insert_api_key"],
                {
                    "key_id": key_id,
                    "tenant_id": tenant_id,
                    "secret_hash": secret_hash,
                    "name": "first key",
                    "scopes": list(DEFAULT_SCOPES),
                    "created_by": actor,
                    "expires_at": None,
                },
            )
            await record_act(
                connection,
                "tenant.created",
                actor=actor,
                subject=str(tenant_id),
                tenant_id=tenant_id,
                slug=wanted.slug,
                tier=wanted.tier,
            )
            operation = await runner.insert(connection, tenant_id, Kind.ONBOARDING, {"actor": actor})
    except errors.UniqueViolation as error:
        raise SlugTaken(f"another tenant is called {wanted.slug}; choose another slug") from error
    failpoint("onboarding.registered")
    runner.start(operation)
    return tenant_id, api_key
