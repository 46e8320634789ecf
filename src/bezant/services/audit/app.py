"""Wiring of the audit service."""

from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.foundation.events.subscription import Subscription
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.audit.api.routes import public_router
from bezant.services.audit.events.consumes import TOPICS
from bezant.services.audit.operations.append_entries import append_entries
from bezant.services.audit.storage.tree_head_key import TreeHeadKey


def build(context: ServiceContext) -> ServiceParts:
    """Return the service's parts."""

    async def record(tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        await append_entries(context.databases, tenant_id, events)

    return ServiceParts(
        routers=[public_router(context.databases, TreeHeadKey(context.secrets))],
        consumers=[Subscription(TOPICS, record)],
    )
