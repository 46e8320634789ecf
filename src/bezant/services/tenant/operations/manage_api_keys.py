"""Create, list and revoke API keys."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from bezant.contracts.problems import Forbidden, InvalidRequest, NotFound
from bezant.contracts.tenant_events import ApiKeyCreated, ApiKeyRevoked
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.identity.api_keys import ALL_SCOPES, GRANTED_ON_REQUEST, Caller, new_api_key
from bezant.services.tenant.sagas.steps import QUERIES, emit


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret."""

    key_id: str
    tenant_id: UUID | None
    name: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


def tenant_of_request(caller: Caller, wanted: UUID | None) -> UUID | None:
    """Return whose keys the caller may manage: an administrator anybody's, a tenant's key its own tenant's."""
    if "admin" in caller.scopes:
        return wanted
    caller.require("keys:write")
    return caller.tenant


async def create_api_key(
    control: ControlDatabase,
    caller: Caller,
    *,
    tenant_id: UUID | None,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
) -> tuple[str, str]:
    """Return (key id, the key to show once).

    Raises `Forbidden` for scopes that the caller may not give, `InvalidRequest` for an expiry that is over.
    """
    owner = tenant_of_request(caller, tenant_id)
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidRequest("expires_at: the key would have expired before its first use")
    unknown = sorted(set(scopes) - ALL_SCOPES)
    if unknown:
        raise Forbidden(f"there are no scopes {', '.join(unknown)}; choose among {', '.join(sorted(ALL_SCOPES))}")
    if "admin" in scopes and (owner is not None or "admin" not in caller.scopes):
        raise Forbidden("the scope admin is for the platform's own keys")
    if "admin" not in caller.scopes and not set(scopes) <= caller.scopes | GRANTED_ON_REQUEST:
        raise Forbidden(
            f"a key can give only the scopes that it has itself, and {', '.join(sorted(GRANTED_ON_REQUEST))}"
        )
    key_id, api_key, secret_hash = new_api_key()
    async with control.transaction() as connection:
        if (
            owner is not None
            and await (await connection.execute(QUERIES["get_tenant"], {"id": owner})).fetchone() is None
        ):
            raise NotFound(f"there is no tenant {owner}")
        await connection.execute(
            QUERIES["insert_api_key"],
            {
                "key_id": key_id,
                "tenant_id": owner,
                "secret_hash": secret_hash,
                "name": name,
                "scopes": scopes,
                "created_by": caller.actor,
                "expires_at": expires_at,
            },
        )
        if owner is not None:
            data = ApiKeyCreated(key_id=key_id, name=name, scopes=scopes)
            await emit(connection, owner, "tenant.api_key_created", data, actor=caller.actor)
    return key_id, api_key


async def list_api_keys(control: ControlDatabase, caller: Caller, tenant_id: UUID | None) -> list[ApiKey]:
    """Return the keys of a tenant, revoked ones too."""
    owner = tenant_of_request(caller, tenant_id)
    return [ApiKey(*row) for row in await control.fetch_all(QUERIES["list_api_keys"], {"tenant_id": owner})]


async def revoke_api_key(control: ControlDatabase, caller: Caller, key_id: str) -> None:
    """Revoke a key; it bites everywhere within 30 seconds. Raises `NotFound` for another tenant's key too."""
    owner = tenant_of_request(caller, None)
    async with control.transaction() as connection:
        cursor = await connection.execute(
            QUERIES["revoke_api_key"],
            {"key_id": key_id, "any_tenant": "admin" in caller.scopes, "tenant_id": owner},
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFound(f"there is no API key {key_id}")
        if row[1] is not None:
            await emit(connection, row[1], "tenant.api_key_revoked", ApiKeyRevoked(key_id=key_id), actor=caller.actor)
