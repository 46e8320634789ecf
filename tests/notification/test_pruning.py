"""History goes when its time is over, and not before."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from bezant.services.notification.operations.prune_history import PruneHistory

from ..stores.fixtures import Stores
from .conftest import Notification, Receiver
from .test_delivering import enqueue, events, refusing, until_settled

TABLES = ("messages", "deliveries", "attempts", "inbox")


async def counts(stores: Stores, tenant: UUID) -> list[int]:
    columns = ", ".join(f"(SELECT count(*) FROM notification.{each})" for each in TABLES)
    (row,) = await stores.as_superuser(tenant, f"SELECT {columns}")
    return list(row)


async def in_days(notification: Notification, tenant: UUID, days: int) -> bool:
    """Prune as if it were so many days later."""
    pruning = PruneHistory(notification.stores.databases("notification"), notification.settings)
    return await pruning.prune(tenant, now=datetime.now(UTC) + timedelta(days=days))


async def age(stores: Stores, tenant: UUID) -> None:
    """Make rows a week old, past the guard that keeps young ones whoever deletes them."""
    for table, column in (("messages", "created_at"), ("attempts", "attempted_at")):
        await stores.as_superuser(tenant, f"ALTER TABLE notification.{table} DISABLE TRIGGER USER")
        await stores.as_superuser(tenant, f"UPDATE notification.{table} SET {column} = {column} - interval '40 days'")
        await stores.as_superuser(tenant, f"ALTER TABLE notification.{table} ENABLE TRIGGER USER")


async def test_history_is_kept_for_its_time_and_then_goes(
    notification: Notification, receiver: Receiver, stores: Stores, tenant: UUID
) -> None:
    endpoint_id, _ = await notification.endpoint(tenant, receiver.base_url)
    await enqueue(notification, tenant, events(tenant, 5))
    await until_settled(notification, tenant)
    assert await counts(stores, tenant) == [5, 5, 5, 5]
    assert not await in_days(notification, tenant, 6)
    assert await counts(stores, tenant) == [5, 5, 5, 5]
    await age(stores, tenant)
    assert not await in_days(notification, tenant, 31)
    assert await counts(stores, tenant) == [0, 0, 0, 0]
    # Numbers go on where they were.
    await enqueue(notification, tenant, events(tenant, 1))
    assert (await notification.endpoints.read(tenant, endpoint_id)).last_sequence == 6


async def test_what_still_has_to_be_delivered_stays(
    notification: Notification, receiver: Receiver, stores: Stores, tenant: UUID
) -> None:
    await notification.endpoint(tenant, receiver.base_url)
    receiver.answer = refusing(500)
    await enqueue(notification, tenant, events(tenant, 2))
    await notification.deliver(tenant)
    await age(stores, tenant)
    await in_days(notification, tenant, 400)
    assert (await counts(stores, tenant))[:3] == [2, 2, 2]


async def test_young_rows_cannot_be_deleted_and_old_ones_not_changed_by_the_service_itself(
    notification: Notification, receiver: Receiver, stores: Stores, tenant: UUID
) -> None:
    await notification.endpoint(tenant, receiver.base_url)
    await enqueue(notification, tenant, events(tenant, 1))
    await until_settled(notification, tenant)
    for statement in (
        "DELETE FROM notification.messages",
        "DELETE FROM notification.attempts",
        "UPDATE notification.messages SET body = ''",
        "UPDATE notification.attempts SET error = ''",
        "TRUNCATE notification.attempts",
    ):
        with pytest.raises((psycopg.errors.RestrictViolation, psycopg.errors.InsufficientPrivilege)):
            async with stores.databases("notification").transaction(tenant) as tx:
                await tx.execute(statement)  # type: ignore[arg-type]


async def test_a_tenant_is_pruned_once_an_hour_however_often_it_is_due(
    notification: Notification, receiver: Receiver, stores: Stores, tenant: UUID
) -> None:
    pruning = PruneHistory(stores.databases("notification"), notification.settings)
    assert await pruning.when_due(tenant) is None
    stores.directory.tenants.remove(tenant)
    try:
        # Its database would now be an error: it is not looked at.
        assert await pruning.when_due(tenant) is None
    finally:
        stores.directory.tenants.add(tenant)
