"""Send an endpoint a message that says it works."""

from datetime import UTC, datetime
from uuid import UUID

from bezant.contracts.identifiers import new_id
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.domain.messages import TEST_EVENT_TYPE, EndpointKind, EndpointStatus, body_of
from bezant.services.notification.domain.problems import EndpointDisabled
from bezant.services.notification.operations.enqueue_messages import Outgoing, enqueue
from bezant.services.notification.storage import QUERIES
from bezant.services.notification.storage.endpoints import endpoint_in


async def send_test_event(
    databases: TenantDatabases, tenant_id: UUID, endpoint_id: UUID, *, kind: EndpointKind = EndpointKind.WEBHOOK
) -> tuple[UUID, int]:
    """Enqueue the test message, whatever the endpoint's filters, and return its id and sequence number.

    Raises `EndpointNotFound`, `EndpointDisabled`.
    """
    event_id = new_id()
    body = body_of(
        TEST_EVENT_TYPE,
        event_id=str(event_id),
        subject=str(endpoint_id),
        time=datetime.now(UTC),
        data={"message": "This endpoint is told by Bezant what happens."},
    ).decode()

    async def work(tx: TenantTransaction) -> tuple[UUID, int]:
        endpoint = await endpoint_in(tx, endpoint_id, kind)
        if endpoint.status is not EndpointStatus.ENABLED:
            raise EndpointDisabled("The endpoint is disabled; PATCH its status to enabled first.")
        await tx.execute(QUERIES["forget_circuit"], {"endpoint_id": endpoint_id})
        outgoing = [Outgoing(endpoint_id, event_id, TEST_EVENT_TYPE, str(endpoint_id), body)]
        (numbered,) = await enqueue(tx, outgoing)
        return numbered

    return await databases.run(tenant_id, work)
