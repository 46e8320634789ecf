"""The public webhook API."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.contracts.problems import InvalidCursor
from bezant.foundation.http import Page, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.notification.api.schemas import (
    DeliveryDetailOut,
    DeliveryOut,
    EndpointChangeIn,
    EndpointIn,
    EndpointOut,
    NewEndpointOut,
    ReplayIn,
    ReplayOut,
    RotationIn,
    RotationOut,
    TestEventOut,
)
from bezant.services.notification.domain.messages import DeliveryStatus
from bezant.services.notification.operations.dispatch import Dispatcher
from bezant.services.notification.operations.manage_endpoints import ManageEndpoints
from bezant.services.notification.operations.read_deliveries import list_deliveries, read_delivery
from bezant.services.notification.operations.replay_messages import replay_messages
from bezant.services.notification.operations.send_test_event import send_test_event

Reader = Annotated[Caller, Depends(require("webhooks:read"))]
Writer = Annotated[Caller, Depends(require("webhooks:write"))]
_MAX_SEQUENCE = 2**63 - 1


def public_router(databases: TenantDatabases, endpoints: ManageEndpoints, dispatcher: Dispatcher) -> APIRouter:
    """Return the routes under /v1/webhook-endpoints."""
    router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"])
    _endpoint_routes(router, endpoints, dispatcher)
    _delivery_routes(router, databases, dispatcher)
    return router


def _endpoint_routes(router: APIRouter, endpoints: ManageEndpoints, dispatcher: Dispatcher) -> None:
    @router.post("", status_code=201, summary="Make an endpoint")
    async def post_endpoint(body: EndpointIn, caller: Writer) -> NewEndpointOut:
        """The secret that messages are signed with is shown this once."""
        refuse_card_numbers(description=body.description)
        endpoint, secret = await endpoints.create(
            caller.tenant,
            url=body.url,
            description=body.description,
            event_filters=body.event_filters,
            actor=caller.actor,
        )
        return NewEndpointOut(**EndpointOut.of(endpoint).model_dump(), secret=secret)

    @router.get("", summary="List endpoints, oldest first")
    async def get_endpoints(caller: Reader, limit: page_limit = 50, cursor: str | None = None) -> Page[EndpointOut]:
        found = await endpoints.list(caller.tenant, after=decode_cursor(cursor), limit=limit + 1)
        page = found[:limit]
        return Page(
            data=[EndpointOut.of(endpoint) for endpoint in page],
            next_cursor=encode_cursor(page[-1].id) if len(found) > limit else None,
        )

    @router.get("/{endpoint_id}", summary="One endpoint")
    async def get_endpoint(endpoint_id: UUID, caller: Reader) -> EndpointOut:
        return EndpointOut.of(await endpoints.read(caller.tenant, endpoint_id))

    @router.patch("/{endpoint_id}", summary="Change an endpoint")
    async def patch_endpoint(endpoint_id: UUID, body: EndpointChangeIn, caller: Writer) -> EndpointOut:
        """What waits while an endpoint is disabled is sent when it is enabled again."""
        refuse_card_numbers(description=body.description or "")
        await dispatcher.guard(caller.tenant)
        endpoint = await endpoints.change(caller.tenant, endpoint_id, body.change(), actor=caller.actor)
        dispatcher.wake(caller.tenant)
        return EndpointOut.of(endpoint)

    @router.delete("/{endpoint_id}", status_code=204, summary="Delete an endpoint")
    async def delete_endpoint(endpoint_id: UUID, caller: Writer) -> None:
        """What was not delivered yet is cancelled."""
        await endpoints.delete(caller.tenant, endpoint_id, actor=caller.actor)

    @router.post("/{endpoint_id}/rotate-secret", summary="Replace an endpoint's secret")
    async def post_rotation(endpoint_id: UUID, caller: Writer, body: RotationIn | None = None) -> RotationOut:
        """Messages carry signatures of both secrets until the old one expires."""
        secret, expires_at = await endpoints.rotate_secret(
            caller.tenant,
            endpoint_id,
            overlap_seconds=(body or RotationIn()).overlap_seconds,
            actor=caller.actor,
        )
        return RotationOut(secret=secret, previous_secret_expires_at=expires_at)


def _delivery_routes(router: APIRouter, databases: TenantDatabases, dispatcher: Dispatcher) -> None:
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
        detail = await read_delivery(databases, caller.tenant, endpoint_id, message_id)
        return DeliveryDetailOut.of_detail(detail)

    @router.post("/{endpoint_id}/replay", status_code=202, summary="Send messages again")
    async def post_replay(endpoint_id: UUID, body: ReplayIn, caller: Writer) -> ReplayOut:
        """They keep their ids and sequence numbers, so that a receiver can tell what it knows already."""
        await dispatcher.guard(caller.tenant)
        replayed = await replay_messages(databases, caller.tenant, endpoint_id, body.selection(), actor=caller.actor)
        dispatcher.wake(caller.tenant)
        return ReplayOut(replayed=replayed)

    @router.post("/{endpoint_id}/test", status_code=202, summary="Send a test event")
    async def post_test(endpoint_id: UUID, caller: Writer) -> TestEventOut:
        """Sent whatever the endpoint's filters are; GET its delivery to see how it went."""
        await dispatcher.guard(caller.tenant)
        message_id, sequence = await send_test_event(databases, caller.tenant, endpoint_id)
        dispatcher.wake(caller.tenant)
        return TestEventOut(id=message_id, sequence=sequence)


def _sequence_in(cursor: str | None) -> int | None:
    last = decode_cursor(cursor)
    if last is None:
        return None
    if last.int > _MAX_SEQUENCE:
        raise InvalidCursor("this cursor did not come from this list; start again without one")
    return last.int
