"""Routes of what was sent to an endpoint: the delivery log, replay and test events."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from bezant.contracts.problems import InvalidCursor
from bezant.foundation.http import Page, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.notification.api.schemas import DeliveryDetailOut, DeliveryOut, ReplayIn, ReplayOut, TestEventOut
from bezant.services.notification.domain.messages import DeliveryStatus, EndpointKind
from bezant.services.notification.operations.dispatch import Dispatcher
from bezant.services.notification.operations.read_deliveries import list_deliveries, read_delivery
from bezant.services.notification.operations.replay_messages import replay_messages
from bezant.services.notification.operations.send_test_event import send_test_event

Reader = Annotated[Caller, Depends(require("webhooks:read"))]
Writer = Annotated[Caller, Depends(require("webhooks:write"))]
_MAX_SEQUENCE = 2**63 - 1


def delivery_routes(router: APIRouter, databases: TenantDatabases, dispatcher: Dispatcher, kind: EndpointKind) -> None:
    """Add the routes below one endpoint: its deliveries, replay and test events."""

    @router.get("/{endpoint_id}/deliveries", summary="List an endpoint's deliveries, newest first")
    async def get_deliveries(
        endpoint_id: UUID,
        caller: Reader,
        status: DeliveryStatus | None = None,
        limit: page_limit = 50,
        cursor: str | None = None,
    ) -> Page[DeliveryOut]:
        found = await list_deliveries(
            databases,
            caller.tenant,
            endpoint_id,
            kind=kind,
            status=status,
            before_sequence=_sequence_in(cursor),
            limit=limit + 1,
        )
        page = found[:limit]
        return Page(
            data=[DeliveryOut.of(delivery) for delivery in page],
            next_cursor=encode_cursor(UUID(int=page[-1].sequence)) if len(found) > limit else None,
        )

    @router.get("/{endpoint_id}/deliveries/{message_id}", summary="One delivery with its attempts")
    async def get_delivery(endpoint_id: UUID, message_id: UUID, caller: Reader) -> DeliveryDetailOut:
        detail = await read_delivery(databases, caller.tenant, endpoint_id, message_id, kind=kind)
        return DeliveryDetailOut.of_detail(detail)

    @router.post("/{endpoint_id}/replay", status_code=202, summary="Send messages again")
    async def post_replay(endpoint_id: UUID, body: ReplayIn, caller: Writer) -> ReplayOut:
        """They keep their ids and sequence numbers, so that a receiver can tell what it knows already."""
        await dispatcher.guard(caller.tenant)
        replayed = await replay_messages(
            databases, caller.tenant, endpoint_id, body.selection(), kind=kind, actor=caller.actor
        )
        dispatcher.wake(caller.tenant)
        return ReplayOut(replayed=replayed.count, next_sequence=replayed.next_sequence)

    @router.post("/{endpoint_id}/test", status_code=202, summary="Send a test event")
    async def post_test(endpoint_id: UUID, caller: Writer) -> TestEventOut:
        """Sent whatever the endpoint's filters are; GET its delivery to see how it went."""
        await dispatcher.guard(caller.tenant)
        message_id, sequence = await send_test_event(databases, caller.tenant, endpoint_id, kind=kind)
        dispatcher.wake(caller.tenant)
        return TestEventOut(id=message_id, sequence=sequence)


def _sequence_in(cursor: str | None) -> int | None:
    last = decode_cursor(cursor)
    if last is None:
        return None
    if last.int > _MAX_SEQUENCE:
        raise InvalidCursor("this cursor did not come from this list; start again without one")
    return last.int
