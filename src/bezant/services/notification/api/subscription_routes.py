"""The public e-mail API: subscriptions of addresses, and the words of the mails."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.foundation.http import Page, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.notification.api.delivery_routes import delivery_routes
from bezant.services.notification.api.subscription_schemas import (
    ConfirmationIn,
    EmailTemplateIn,
    EmailTemplateList,
    EmailTemplateOut,
    SubscriptionChangeIn,
    SubscriptionIn,
    SubscriptionOut,
)
from bezant.services.notification.domain.messages import EndpointKind
from bezant.services.notification.operations.dispatch import Dispatcher
from bezant.services.notification.operations.manage_endpoints import ManageEndpoints
from bezant.services.notification.operations.manage_subscriptions import ManageSubscriptions
from bezant.services.notification.operations.manage_templates import delete_template, list_templates, put_template

Reader = Annotated[Caller, Depends(require("webhooks:read"))]
Writer = Annotated[Caller, Depends(require("webhooks:write"))]
EventType = Annotated[str, Path(max_length=100, examples=["payment.captured"])]
_EMAIL = EndpointKind.EMAIL


def subscription_router(
    databases: TenantDatabases,
    endpoints: ManageEndpoints,
    subscriptions: ManageSubscriptions,
    dispatcher: Dispatcher,
) -> APIRouter:
    """Return the routes under /v1/email-subscriptions."""
    router = APIRouter(prefix="/v1/email-subscriptions", tags=["e-mail"])

    @router.post("", status_code=201, summary="Have events mailed to an address")
    async def post_subscription(body: SubscriptionIn, caller: Writer) -> SubscriptionOut:
        """A code is mailed to the address; nothing else is until it was confirmed with that."""
        refuse_card_numbers(description=body.description)
        made = await subscriptions.create(
            caller.tenant,
            address=body.address,
            description=body.description,
            event_filters=body.event_filters,
            actor=caller.actor,
        )
        return SubscriptionOut.of(made)

    @router.get("", summary="List subscriptions, oldest first")
    async def get_subscriptions(
        caller: Reader, limit: page_limit = 50, cursor: str | None = None
    ) -> Page[SubscriptionOut]:
        found = await endpoints.list(caller.tenant, after=decode_cursor(cursor), limit=limit + 1, kind=_EMAIL)
        page = found[:limit]
        return Page(
            data=[SubscriptionOut.of(endpoint) for endpoint in page],
            next_cursor=encode_cursor(page[-1].id) if len(found) > limit else None,
        )

    @router.get("/{endpoint_id}", summary="One subscription")
    async def get_subscription(endpoint_id: UUID, caller: Reader) -> SubscriptionOut:
        return SubscriptionOut.of(await endpoints.read(caller.tenant, endpoint_id, kind=_EMAIL))

    @router.patch("/{endpoint_id}", summary="Change a subscription")
    async def patch_subscription(endpoint_id: UUID, body: SubscriptionChangeIn, caller: Writer) -> SubscriptionOut:
        """What waits while a subscription is disabled is mailed when it is enabled again."""
        refuse_card_numbers(description=body.description or "")
        await dispatcher.guard(caller.tenant)
        changed = await subscriptions.change(caller.tenant, endpoint_id, body.change(), actor=caller.actor)
        dispatcher.wake(caller.tenant)
        return SubscriptionOut.of(changed)

    @router.delete("/{endpoint_id}", status_code=204, summary="Delete a subscription")
    async def delete_subscription(endpoint_id: UUID, caller: Writer) -> None:
        """What was not mailed yet is cancelled."""
        await endpoints.delete(caller.tenant, endpoint_id, actor=caller.actor, kind=_EMAIL)

    @router.post("/{endpoint_id}/confirm", summary="Confirm an address with the code that was mailed to it")
    async def post_confirmation(endpoint_id: UUID, body: ConfirmationIn, caller: Writer) -> SubscriptionOut:
        return SubscriptionOut.of(
            await subscriptions.confirm(caller.tenant, endpoint_id, body.code, actor=caller.actor)
        )

    @router.post("/{endpoint_id}/send-code", status_code=202, summary="Mail another code")
    async def post_code(endpoint_id: UUID, caller: Writer) -> None:
        """The code before it is void."""
        await subscriptions.send_code_again(caller.tenant, endpoint_id)

    delivery_routes(router, databases, dispatcher, _EMAIL)
    return router


def template_router(databases: TenantDatabases) -> APIRouter:
    """Return the routes under /v1/email-templates."""
    router = APIRouter(prefix="/v1/email-templates", tags=["e-mail"])

    @router.get("", summary="List your own templates")
    async def get_templates(caller: Reader) -> EmailTemplateList:
        found = await list_templates(databases, caller.tenant)
        return EmailTemplateList(data=[EmailTemplateOut.of(each) for each in found])

    @router.put("/{event_type}", summary="Write the mails about one type of event in your own words")
    async def put_one(event_type: EventType, body: EmailTemplateIn, caller: Writer) -> EmailTemplateOut:
        """`${data.reference}` and the like are filled from the event; other places are refused."""
        refuse_card_numbers(subject=body.subject, body=body.body)
        own = await put_template(databases, caller.tenant, event_type, body.template(), actor=caller.actor)
        return EmailTemplateOut.of(own)

    @router.delete("/{event_type}", status_code=204, summary="Go back to Bezant's own words")
    async def delete_one(event_type: EventType, caller: Writer) -> None:
        await delete_template(databases, caller.tenant, event_type, actor=caller.actor)

    return router
