"""Personal values are kept as long as the tenant says, and no proof depends on them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from bezant.services.audit.operations.expire_personal_values import expire_personal_values
from bezant.services.audit.outside_verification import verify_log

from ..stores.fixtures import Stores
from ..stores.http import Api
from .logs import append, corrupt, events


async def test_values_older_than_the_tenant_keeps_them_are_erased(
    stores: Stores, tenant: UUID, api: Api, scheduled: list[UUID]
) -> None:
    key = api.keys.give(tenant, "audit:read", "audit:write")
    databases = stores.databases("audit")
    await append(stores, tenant, events(tenant, 6))
    assert (await api.call(key, "GET", "/v1/audit/retention"))[1]["personal_values_days"] is None
    assert await expire_personal_values(databases, tenant) is None
    status, answer = await api.call(key, "PUT", "/v1/audit/retention", {"personal_values_days": 30})
    assert (status, answer["personal_values_days"], answer["changed_by"]) == (200, 30, f"key:{key}")
    assert scheduled == [tenant]
    # Nothing is old enough yet: it is looked at again when the first value will be.
    following = await expire_personal_values(databases, tenant)
    assert following is not None
    assert timedelta(days=29) < following - datetime.now(UTC) <= timedelta(days=30)
    await corrupt(
        stores, tenant, "UPDATE audit.entries SET recorded_at = recorded_at - interval '31 days' WHERE position < 4"
    )
    assert await expire_personal_values(databases, tenant) is not None
    log = await verify_log(api.base_url, key)
    assert (log.erased_values, log.disclosed_values) == (8, 4)
    _, page = await api.call(key, "GET", "/v1/audit/entries", type="audit.personal_values_expired")
    assert [entry["actor"] for entry in page["data"]] == ["service:audit"]
    assert '"erased_count":8' in page["data"][0]["leaf"]
    # The same again finds nothing, and adds nothing to the log.
    await expire_personal_values(databases, tenant)
    assert (await verify_log(api.base_url, key)).size == log.size


async def test_retention_is_changed_by_keys_that_may_erase(tenant: UUID, api: Api) -> None:
    reader, eraser = api.keys.give(tenant, "audit:read"), api.keys.give(tenant, "audit:write")
    assert (await api.call(reader, "PUT", "/v1/audit/retention", {"personal_values_days": 1}))[0] == 403
    for days in (0, 36_501, "x", 1.5):
        status, problem = await api.call(eraser, "PUT", "/v1/audit/retention", {"personal_values_days": days})
        assert (status, problem["code"]) == (400, "invalid_request")
    assert (await api.call(eraser, "PUT", "/v1/audit/retention", {}))[0] == 400
    assert (await api.call(eraser, "PUT", "/v1/audit/retention", {"personal_values_days": None}))[0] == 200
