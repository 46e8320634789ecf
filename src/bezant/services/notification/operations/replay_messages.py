"""Send messages of an endpoint again, with the same ids and sequence numbers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from bezant.contracts.identifiers import first_id_at
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.domain.messages import DeliveryStatus, EndpointKind, EndpointStatus
from bezant.services.notification.domain.problems import DeliveryNotFound, EndpointDisabled
from bezant.services.notification.events.publishes import messages_replayed
from bezant.services.notification.storage import QUERIES
from bezant.services.notification.storage.endpoints import endpoint_in

_LAST_SEQUENCE: Final = 2**63 - 1
_FIRST_ID: Final = UUID(int=0)
_END_ID: Final = UUID(int=2**128 - 1)
MAX_REPLAYED: Final = 10_000
"""Messages that one request sends again; who wants more goes on with the next sequence number."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many messages are sent again; with more to come, from which sequence number on."""

    count: int
    next_sequence: int | None


@dataclass(frozen=True, slots=True)
class ReplaySelection:
    """Which messages: by id, by sequence number, by when they were enqueued, of a status; all that is given holds."""

    message_ids: list[UUID] | None = None
    from_sequence: int = 1
    to_sequence: int = _LAST_SEQUENCE
    from_time: datetime | None = None
    to_time: datetime | None = None
    """Not this moment itself."""
    status: DeliveryStatus | None = None


async def replay_messages(
    databases: TenantDatabases,
    tenant_id: UUID,
    endpoint_id: UUID,
    selection: ReplaySelection,
    *,
    actor: str,
    kind: EndpointKind = EndpointKind.WEBHOOK,
) -> Replayed:
    """Make the messages due from their first attempt on, the first `MAX_REPLAYED` of them.

    Raises `EndpointNotFound`, `EndpointDisabled`, and `DeliveryNotFound` for an id that is not this endpoint's.
    """

    async def work(tx: TenantTransaction) -> Replayed:
        endpoint = await endpoint_in(tx, endpoint_id, kind)
        if endpoint.status is not EndpointStatus.ENABLED:
            raise EndpointDisabled("The endpoint is disabled; PATCH its status to enabled, then replay.")
        rows = await tx.fetch_all(
            QUERIES["replay"],
            {
                "endpoint_id": endpoint_id,
                "message_ids": selection.message_ids,
                "from_sequence": selection.from_sequence,
                "to_sequence": selection.to_sequence,
                "first_id": _FIRST_ID if selection.from_time is None else first_id_at(selection.from_time),
                "end_id": _END_ID if selection.to_time is None else first_id_at(selection.to_time),
                "status": selection.status,
                "limit": MAX_REPLAYED,
            },
        )
        if selection.message_ids is not None and selection.status is None:
            unknown = set(selection.message_ids) - {row[0] for row in rows}
            if unknown:
                raise DeliveryNotFound(f"Endpoint {endpoint_id} has no message {min(unknown)}; nothing is replayed.")
        await tx.execute(QUERIES["forget_circuit"], {"endpoint_id": endpoint_id})
        tx.emit(messages_replayed(endpoint, len(rows), actor=actor))
        more = len(rows) == MAX_REPLAYED
        return Replayed(len(rows), max(row[1] for row in rows) + 1 if more else None)

    return await databases.run(tenant_id, work)
