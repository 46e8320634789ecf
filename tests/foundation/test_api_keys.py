"""API keys: what is stored, what is cached and for how long, and what is refused."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from bezant.contracts.problems import Forbidden, Unauthenticated
from bezant.foundation.control.database import ControlUnavailable
from bezant.foundation.identity.api_keys import DEFAULT_SCOPES, ApiKeys, Caller, new_api_key

from .conftest import Clock, Control


async def _store(control: Control, tenant_id: UUID | None, *, expires_at: datetime | None = None) -> tuple[str, str]:
    """Return (key id, the key's Authorization header)."""
    key_id, api_key, secret_hash = new_api_key()
    await control.as_superuser(
        "INSERT INTO control.api_keys (key_id, tenant_id, secret_hash, name, scopes, created_by, expires_at) "
        "VALUES (%s, %s, %s, 'test', %s, 'test', %s)",
        key_id, tenant_id, secret_hash, list(DEFAULT_SCOPES), expires_at,
    )  # fmt: skip
    return key_id, f"Bearer {api_key}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    for module in ("identity.api_keys", "control.remembered"):
        monkeypatch.setattr(f"bezant.foundation.{module}.time", turned)
    return turned


def test_a_key_is_named_and_only_the_hash_of_its_secret_is_kept() -> None:
    key_id, api_key, stored = new_api_key()
    prefix, named, secret = api_key.split("_", 2)
    assert (prefix, named, len(secret)) == ("bz", key_id, 43)
    assert stored == hashlib.sha256(secret.encode()).digest()
    assert len({new_api_key()[1] for _ in range(100)}) == 100


async def test_a_key_opens_its_own_tenant_with_its_scopes(control: Control) -> None:
    tenant_id = await control.add_tenant()
    key_id, header = await _store(control, tenant_id)
    caller = await ApiKeys(await control.open()).authenticate(header)
    assert caller == Caller(key_id, tenant_id, frozenset(DEFAULT_SCOPES))
    assert (caller.tenant, caller.actor) == (tenant_id, f"key:{key_id}")
    caller.require("payments:write")
    for missing in ("ledger:write", "admin"):
        with pytest.raises(Forbidden, match=missing):
            caller.require(missing)


async def test_an_administrators_key_is_no_tenants(control: Control) -> None:
    _, header = await _store(control, None)
    caller = await ApiKeys(await control.open()).authenticate(header)
    with pytest.raises(Forbidden):
        _ = caller.tenant


async def test_nothing_but_the_exact_key_is_accepted(control: Control) -> None:
    _, header = await _store(control, await control.add_tenant())
    keys = ApiKeys(await control.open())
    swapped = header[:-1] + ("A" if header[-1] != "A" else "B")
    wrong = (None, "", "Bearer", "Bearer ", f"Basic {header[7:]}", header[7:], swapped, f"{header} ", f"{header}A",
             header.upper(), f"{header}\n", "Bearer bz_" + "é" * 12 + "_" + "a" * 43)  # fmt: skip
    for attempt in wrong:
        with pytest.raises(Unauthenticated) as refused:
            await keys.authenticate(attempt)
        assert header[-20:] not in str(refused.value)
    # the right one still works: a wrong attempt has not poisoned the cache
    await keys.authenticate(header)


async def test_a_revocation_bites_when_the_cached_key_runs_out(control: Control, clock: Clock) -> None:
    key_id, header = await _store(control, await control.add_tenant())
    keys = ApiKeys(await control.open(api_key_cache_seconds=30))
    await keys.authenticate(header)
    await control.as_superuser("UPDATE control.api_keys SET revoked_at = now() WHERE key_id = %s", key_id)
    clock.now += 29.9
    await keys.authenticate(header)
    clock.now += 0.2
    with pytest.raises(Unauthenticated, match="revoked"):
        await keys.authenticate(header)


def test_no_setting_lets_a_revoked_key_live_for_more_than_30_seconds() -> None:
    from bezant.foundation.settings import Settings

    with pytest.raises(ValidationError):
        Settings(api_key_cache_seconds=31)


async def test_a_key_is_not_cached_beyond_its_expiry(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(datetime.now(UTC).timestamp())
    for module in ("identity.api_keys", "control.remembered"):
        monkeypatch.setattr(f"bezant.foundation.{module}.time", clock)
    soon = datetime.fromtimestamp(clock.now, UTC) + timedelta(seconds=20)
    _, header = await _store(control, await control.add_tenant(), expires_at=soon)
    keys = ApiKeys(await control.open(api_key_cache_seconds=30))
    await keys.authenticate(header)
    clock.now += 21
    await control.as_superuser("UPDATE control.api_keys SET expires_at = now()")
    with pytest.raises(Unauthenticated, match="expired"):
        await keys.authenticate(header)


async def test_a_key_works_soon_after_it_was_asked_for_too_early(control: Control, clock: Clock) -> None:
    key_id, api_key, secret_hash = new_api_key()
    keys = ApiKeys(await control.open())
    with pytest.raises(Unauthenticated):
        await keys.authenticate(f"Bearer {api_key}")
    await control.as_superuser(
        "INSERT INTO control.api_keys (key_id, secret_hash, name, scopes, created_by) "
        "VALUES (%s, %s, 'late', '{admin}', 'test')",
        key_id, secret_hash,
    )  # fmt: skip
    clock.now += 0.6
    assert (await keys.authenticate(f"Bearer {api_key}")).key_id == key_id


async def test_without_the_control_database_known_keys_work_and_others_are_not_judged(control: Control) -> None:
    _, known = await _store(control, await control.add_tenant())
    _, unknown = await _store(control, await control.add_tenant())
    database = await control.open()
    keys = ApiKeys(database)
    await keys.authenticate(known)
    await database.close()
    await keys.authenticate(known)
    with pytest.raises(ControlUnavailable):
        await keys.authenticate(unknown)


async def test_known_keys_work_through_the_grace_of_an_outage_and_no_longer(control: Control, clock: Clock) -> None:
    _, header = await _store(control, await control.add_tenant())
    database = await control.open(control_grace_seconds=300)
    keys = ApiKeys(database)
    await keys.authenticate(header)
    await database.close()
    clock.now += 29
    await keys.authenticate(header)
    clock.now += 300
    await keys.authenticate(header)
    clock.now += 2
    with pytest.raises(ControlUnavailable):
        await keys.authenticate(header)


async def test_no_outage_lets_a_key_work_beyond_its_expiry(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(datetime.now(UTC).timestamp())
    for module in ("identity.api_keys", "control.remembered"):
        monkeypatch.setattr(f"bezant.foundation.{module}.time", clock)
    soon = datetime.fromtimestamp(clock.now, UTC) + timedelta(seconds=60)
    _, header = await _store(control, await control.add_tenant(), expires_at=soon)
    database = await control.open()
    keys = ApiKeys(database)
    await keys.authenticate(header)
    await database.close()
    clock.now += 59
    await keys.authenticate(header)
    clock.now += 2
    with pytest.raises(ControlUnavailable):
        await keys.authenticate(header)


async def test_guessed_keys_push_no_known_one_out_of_memory(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bezant.foundation.identity.api_keys._UNKNOWN_KEYS", 5)
    monkeypatch.setattr("bezant.foundation.control.remembered._CAPACITY", 5)
    _, known = await _store(control, await control.add_tenant())
    database = await control.open()
    keys = ApiKeys(database)
    await keys.authenticate(known)
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            await keys.authenticate(f"Bearer {new_api_key()[1]}")
    await database.close()
    await keys.authenticate(known)


async def test_keys_that_this_replica_has_not_seen_work_through_an_outage_too(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bezant.foundation.control.remembered.PAGE_ROWS", 2)
    monkeypatch.setattr("bezant.foundation.identity.api_keys.PAGE_ROWS", 2)
    tenant_id = await control.add_tenant()
    stored = [await _store(control, tenant_id) for _ in range(5)]
    await control.as_superuser("UPDATE control.api_keys SET revoked_at = now() WHERE key_id = %s", stored[0][0])
    database = await control.open()
    keys = ApiKeys(database)
    await keys.learn()
    await database.close()
    for _, header in stored[1:]:
        assert (await keys.authenticate(header)).tenant_id == tenant_id
    with pytest.raises(ControlUnavailable):
        await keys.authenticate(stored[0][1])


async def test_reading_ahead_does_not_lengthen_the_life_of_a_revoked_key(control: Control, clock: Clock) -> None:
    key_id, header = await _store(control, await control.add_tenant())
    keys = ApiKeys(await control.open(api_key_cache_seconds=15))
    await keys.learn()
    await control.as_superuser("UPDATE control.api_keys SET revoked_at = now() WHERE key_id = %s", key_id)
    clock.now += 16
    with pytest.raises(Unauthenticated, match="revoked"):
        await keys.authenticate(header)
