"""Read how messages are doing."""

from typing import Any
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases
from bezant.services.notification.domain.endpoints import Attempt, Delivery, DeliveryDetail
from bezant.services.notification.domain.messages import DeliveryStatus, EndpointKind
from bezant.services.notification.domain.problems import DeliveryNotFound
from bezant.services.notification.storage import QUERIES
from bezant.services.notification.storage.endpoints import endpoint_in


async def list_deliveries(
    databases: TenantDatabases,
    tenant_id: UUID,
    endpoint_id: UUID,
    *,
    kind: EndpointKind,
    status: DeliveryStatus | None,
    before_sequence: int | None,
    limit: int,
) -> list[Delivery]:
    """Return at most `limit` deliveries below a sequence number, newest first. Raises `EndpointNotFound`."""
    async with databases.transaction(tenant_id) as tx:
        await endpoint_in(tx, endpoint_id, kind)
        rows = await tx.fetch_all(
            QUERIES["list_deliveries"],
            {"endpoint_id": endpoint_id, "status": status, "before": before_sequence, "limit": limit},
        )
    return [_delivery(row) for row in rows]


async def read_delivery(
    databases: TenantDatabases, tenant_id: UUID, endpoint_id: UUID, message_id: UUID, *, kind: EndpointKind
) -> DeliveryDetail:
    """Return one delivery with its body and attempts. Raises `EndpointNotFound`, `DeliveryNotFound`."""
    async with databases.transaction(tenant_id) as tx:
        await endpoint_in(tx, endpoint_id, kind)
        row = await tx.fetch_one(QUERIES["delivery_by_id"], {"endpoint_id": endpoint_id, "message_id": message_id})
        if row is None:
            raise DeliveryNotFound(f"Endpoint {endpoint_id} has no message {message_id}.")
        tried = await tx.fetch_all(QUERIES["attempts_of_message"], {"message_id": message_id})
    return DeliveryDetail(_delivery(row[:13]), row[13], [Attempt(*each) for each in tried])


def _delivery(row: tuple[Any, ...]) -> Delivery:
    values: list[Any] = [*row[:5], DeliveryStatus(row[5]), *row[6:13]]
    return Delivery(*values)
