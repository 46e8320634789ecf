"""API keys that replace each other."""

from datetime import UTC, datetime, timedelta

import pytest

from bezant.contracts.problems import Forbidden, InvalidRequest, NotFound, Unauthenticated
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.identity.api_keys import ApiKeys, Caller
from bezant.services.tenant.operations.manage_api_keys import create_api_key, list_api_keys, rotate_api_key
from bezant.services.tenant.operations.read_acts import read_acts

from ..foundation.conftest import Control
from .conftest import ADMIN

DAY = 86_400


async def test_both_keys_work_until_the_overlap_is_over(
    control: Control, database: ControlDatabase, keys: ApiKeys
) -> None:
    tenant_id = await control.add_tenant()
    key_id, old = await create_api_key(
        database, ADMIN, tenant_id=tenant_id, name="shop", scopes=["payments:read"], expires_at=None
    )
    before = datetime.now(UTC)
    rotated = await rotate_api_key(database, ADMIN, key_id, overlap_seconds=DAY, expires_at=None)
    assert timedelta(0) <= rotated.previous_expires_at - before - timedelta(days=1) < timedelta(seconds=30)
    for key in (old, rotated.api_key):
        caller = await keys.authenticate(f"Bearer {key}")
        assert (caller.tenant, caller.scopes) == (tenant_id, frozenset({"payments:read"}))
    listed = {key.key_id: key for key in await list_api_keys(database, ADMIN, tenant_id)}
    assert listed[key_id].replaced_by == rotated.key_id
    assert listed[rotated.key_id].expires_at is None
    assert listed[rotated.key_id].created_by == f"key:{key_id}"
    await control.as_superuser("UPDATE control.api_keys SET expires_at = now() WHERE key_id = %s", key_id)
    with pytest.raises(Unauthenticated):
        await keys.authenticate(f"Bearer {old}")
    with pytest.raises(NotFound):
        await rotate_api_key(database, ADMIN, key_id, overlap_seconds=DAY, expires_at=None)
    assert [act.act for act in await read_acts(database, tenant_id=tenant_id, before=None, limit=5)] == [
        "tenant.api_key_rotated",
        "tenant.api_key_created",
    ]


async def test_an_overlap_never_lengthens_a_key_s_life(control: Control, database: ControlDatabase) -> None:
    tenant_id = await control.add_tenant()
    soon = datetime.now(UTC) + timedelta(minutes=1)
    key_id, _ = await create_api_key(
        database, ADMIN, tenant_id=tenant_id, name="shop", scopes=["payments:read"], expires_at=soon
    )
    rotated = await rotate_api_key(database, ADMIN, key_id, overlap_seconds=DAY, expires_at=None)
    assert rotated.previous_expires_at == soon


async def test_without_an_overlap_the_old_key_ends_at_once(
    control: Control, database: ControlDatabase, keys: ApiKeys
) -> None:
    key_id, old = await create_api_key(
        database, ADMIN, tenant_id=await control.add_tenant(), name="a", scopes=["payments:read"], expires_at=None
    )
    await rotate_api_key(database, ADMIN, key_id, overlap_seconds=0, expires_at=None)
    with pytest.raises(Unauthenticated):
        await keys.authenticate(f"Bearer {old}")


async def test_a_key_rotates_itself_and_no_stronger_one(control: Control, database: ControlDatabase) -> None:
    tenant_id, other = await control.add_tenant(), await control.add_tenant()

    async def make(owner: object, *scopes: str) -> Caller:
        key_id, _ = await create_api_key(
            database, ADMIN, tenant_id=owner, name="a", scopes=list(scopes), expires_at=None,  # type: ignore[arg-type]
        )  # fmt: skip
        return Caller(key_id, owner, frozenset(scopes))  # type: ignore[arg-type]

    reader = await make(tenant_id, "payments:read")
    strong = await make(tenant_id, "payments:read", "payments:write")
    manager = await make(tenant_id, "keys:write", "payments:read")
    stranger = await make(other, "keys:write", "payments:read", "payments:write")
    platform = await make(None, "admin")
    with pytest.raises(Forbidden):
        await rotate_api_key(database, reader, strong.key_id, overlap_seconds=0, expires_at=None)
    with pytest.raises(Forbidden):
        await rotate_api_key(database, manager, strong.key_id, overlap_seconds=0, expires_at=None)
    for key_id in (reader.key_id, platform.key_id, "z" * 12):
        with pytest.raises(NotFound):
            await rotate_api_key(database, stranger, key_id, overlap_seconds=0, expires_at=None)
    past = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(InvalidRequest):
        await rotate_api_key(database, reader, reader.key_id, overlap_seconds=0, expires_at=past)
    assert (await rotate_api_key(database, reader, reader.key_id, overlap_seconds=DAY, expires_at=None)).api_key
    assert (await rotate_api_key(database, manager, reader.key_id, overlap_seconds=DAY, expires_at=None)).api_key
    assert (await rotate_api_key(database, platform, platform.key_id, overlap_seconds=DAY, expires_at=None)).api_key


async def test_scopes_of_the_platform_are_never_a_tenants(control: Control, database: ControlDatabase) -> None:
    tenant_id = await control.add_tenant()
    for scope in ("admin", "platform:read", "platform:write"):
        with pytest.raises(Forbidden):
            await create_api_key(database, ADMIN, tenant_id=tenant_id, name="a", scopes=[scope], expires_at=None)
    await create_api_key(database, ADMIN, tenant_id=None, name="a", scopes=["platform:read"], expires_at=None)
