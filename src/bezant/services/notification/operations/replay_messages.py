"""Send messages of an endpoint again, with the same ids and sequence numbers."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.domain.messages import DeliveryStatus, EndpointStatus
from bezant.services.notification.domain.problems import DeliveryNotFound, EndpointDisabled
from bezant.services.notification.events.publishes import messages_replayed
from bezant.services.notification.operations.manage_endpoints import endpoint_in
from bezant.services.notification.storage import QUERIES

_LAST_SEQUENCE: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ReplaySelection:
    """Which messages: by id, or by a range of sequence numbers, or of a status; all that are given must hold."""

    message_ids: list[UUID] | None = None
    from_sequence: int = 1
    to_sequence: int = _LAST_SEQUENCE
    status: DeliveryStatus | None = None


async def replay_messages(
    databases: TenantDatabases, tenant_id: UUID, endpoint_id: UUID, selection: ReplaySelection, *, actor: str
) -> int:
    """Make the messages due from their first attempt on, and return how many there are.

    Raises `EndpointNotFound`, `EndpointDisabled`, and `DeliveryNotFound` for an id that is not this endpoint's.
    """

    async def work(tx: TenantTransaction) -> int:
        endpoint = await endpoint_in(tx, endpoint_id)
        if endpoint.status is not EndpointStatus.ENABLED:
            raise EndpointDisabled("The endpoint is disabled; PATCH its status to enabled, then replay.")
        rows = await tx.fetch_all(
            QUERIES["replay"],
            {
                "endpoint_id": endpoint_id,
                "message_ids": selection.message_ids,
                "from_sequence": selection.from_sequence,
                "to_sequence": selection.to_sequence,
                "status": selection.status,
            },
        )
        if selection.message_ids is not None and selection.status is None:
            unknown = set(selection.message_ids) - {row[0] for row in rows}
            if unknown:
                raise DeliveryNotFound(f"Endpoint {endpoint_id} has no message {min(unknown)}; nothing is replayed.")
        tx.emit(messages_replayed(endpoint, len(rows), actor=actor))
        return len(rows)

    return await databases.run(tenant_id, work)
