"""The public webhook API."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.foundation.http import Page, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.notification.api.delivery_routes import delivery_routes
from bezant.services.notification.api.schemas import (
    ClientCertificateOut,
    EndpointChangeIn,
    EndpointIn,
    EndpointOut,
    NewEndpointOut,
    RotationIn,
    RotationOut,
)
from bezant.services.notification.domain.messages import EndpointKind
from bezant.services.notification.operations.dispatch import Dispatcher
from bezant.services.notification.operations.manage_endpoints import ManageEndpoints
from bezant.services.notification.storage.client_certificate import ClientCertificate

Reader = Annotated[Caller, Depends(require("webhooks:read"))]
Writer = Annotated[Caller, Depends(require("webhooks:write"))]


def public_router(
    databases: TenantDatabases, endpoints: ManageEndpoints, dispatcher: Dispatcher, certificate: ClientCertificate
) -> APIRouter:
    """Return the routes under /v1/webhook-endpoints."""
    router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"])
    _certificate_route(router, certificate)
    _endpoint_routes(router, endpoints, dispatcher)
    delivery_routes(router, databases, dispatcher, EndpointKind.WEBHOOK)
    return router


def _certificate_route(router: APIRouter, certificate: ClientCertificate) -> None:
    @router.get("/client-certificate", summary="The certificate that Bezant shows to receivers")
    async def get_client_certificate(caller: Reader) -> ClientCertificateOut:
        """For receivers with mutual TLS: trust this certificate, and set `client_certificate` on the endpoint."""
        pair = await certificate.read()
        return ClientCertificateOut(
            certificate=pair.certificate, fingerprint_sha256=pair.fingerprint, expires_at=pair.expires_at
        )


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
            signatures=body.signatures,
            client_certificate=body.client_certificate,
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
        rotation = await endpoints.rotate_secret(
            caller.tenant,
            endpoint_id,
            overlap_seconds=(body or RotationIn()).overlap_seconds,
            actor=caller.actor,
        )
        return RotationOut(
            secret=rotation.secret,
            public_key=rotation.public_key,
            previous_secret_expires_at=rotation.previous_expires_at,
        )
