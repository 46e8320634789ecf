"""Create, list, rotate and revoke API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from bezant.contracts.problems import Forbidden, InvalidRequest, NotFound
from bezant.contracts.tenant_events import ApiKeyCreated, ApiKeyRevoked, ApiKeyRotated
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.identity.api_keys import (
    ALL_SCOPES,
    GRANTED_ON_REQUEST,
    PLATFORM_SCOPES,
    Caller,
    new_api_key,
)
from bezant.services.tenant.sagas.steps import QUERIES, emit
from bezant.services.tenant.storage.acts import record_act


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
    replaced_by: str | None
    """The key that a rotation made of this one."""


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """A new key with its secret, and when the one that it replaces ends."""

    key_id: str
    api_key: str
    previous_expires_at: datetime


def tenant_of_request(caller: Caller, wanted: UUID | None) -> UUID | None:
    """Return whose keys the caller may manage: an administrator anybody's, a tenant's key its own tenant's."""
    if "admin" in caller.scopes:
        return wanted
    caller.require("keys:write")
    return caller.tenant


def _require_may_give(caller: Caller, scopes: Sequence[str], owner: UUID | None) -> None:
    """Raise `Forbidden` unless the caller may give these scopes to a key of the owner (None: the platform)."""
    unknown = sorted(set(scopes) - ALL_SCOPES)
    if unknown:
        raise Forbidden(f"there are no scopes {', '.join(unknown)}; choose among {', '.join(sorted(ALL_SCOPES))}")
    of_platform = PLATFORM_SCOPES.intersection(scopes)
    if of_platform and (owner is not None or "admin" not in caller.scopes):
        raise Forbidden(f"{', '.join(sorted(of_platform))}: only the platform's own keys have that")
    if "admin" not in caller.scopes and not set(scopes) <= caller.scopes | GRANTED_ON_REQUEST:
        raise Forbidden(
            f"a key can give only the scopes that it has itself, and {', '.join(sorted(GRANTED_ON_REQUEST))}"
        )


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
    _require_may_give(caller, scopes, owner)
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
        act = "platform.api_key_created" if owner is None else "tenant.api_key_created"
        await record_act(connection, act, actor=caller.actor, subject=key_id, tenant_id=owner, name=name, scopes=scopes)
        if owner is not None:
            data = ApiKeyCreated(key_id=key_id, name=name, scopes=scopes)
            await emit(connection, owner, "tenant.api_key_created", data, actor=caller.actor)
    return key_id, api_key


async def rotate_api_key(
    control: ControlDatabase, caller: Caller, key_id: str, *, overlap_seconds: int, expires_at: datetime | None
) -> RotatedKey:
    """Make a key with the name and scopes of another, which ends when the overlap is over.

    A key may rotate itself; for others the caller needs what it takes to make such a key. Raises `NotFound` for a
    key that has ended or is another tenant's, `Forbidden`, `InvalidRequest` for an expiry that is over.
    """
    itself = key_id == caller.key_id and caller.person is None
    owner = caller.tenant_id if itself else tenant_of_request(caller, None)
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidRequest("expires_at: the key would have expired before its first use")
    new_key_id, api_key, secret_hash = new_api_key()
    async with control.transaction() as connection:
        row = await (await connection.execute(QUERIES["lock_api_key"], {"key_id": key_id})).fetchone()
        if row is None or not (itself or "admin" in caller.scopes or row[1] == owner):
            raise NotFound(f"there is no API key {key_id}")
        _, tenant_id, name, scopes, _ = row
        if not itself:
            _require_may_give(caller, scopes, tenant_id)
        await connection.execute(
            QUERIES["insert_api_key"],
            {
                "key_id": new_key_id,
                "tenant_id": tenant_id,
                "secret_hash": secret_hash,
                "name": name,
                "scopes": scopes,
                # Whoever rotates a key is not somebody else for that: what it made and asked for stays its own.
                "created_by": f"key:{key_id}",
                "expires_at": expires_at,
            },
        )
        parameters = {"key_id": key_id, "replaced_by": new_key_id, "overlap_seconds": overlap_seconds}
        ended = await (await connection.execute(QUERIES["end_key_after"], parameters)).fetchone()
        assert ended is not None
        act = "platform.api_key_rotated" if tenant_id is None else "tenant.api_key_rotated"
        await record_act(
            connection, act, actor=caller.actor, subject=key_id, tenant_id=tenant_id, new_key_id=new_key_id
        )
        if tenant_id is not None:
            data = ApiKeyRotated(key_id=key_id, new_key_id=new_key_id, previous_expires_at=ended[0])
            await emit(connection, tenant_id, "tenant.api_key_rotated", data, actor=caller.actor)
    return RotatedKey(new_key_id, api_key, ended[0])


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
        act = "platform.api_key_revoked" if row[1] is None else "tenant.api_key_revoked"
        await record_act(connection, act, actor=caller.actor, subject=key_id, tenant_id=row[1])
        if row[1] is not None:
            await emit(connection, row[1], "tenant.api_key_revoked", ApiKeyRevoked(key_id=key_id), actor=caller.actor)
