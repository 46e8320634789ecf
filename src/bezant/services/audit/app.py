"""Wiring of the audit service."""

import asyncio
from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.foundation.events.subscription import Subscription
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.audit.api.routes import public_router
from bezant.services.audit.events.consumes import TOPICS
from bezant.services.audit.operations.append_entries import append_entries
from bezant.services.audit.settings import AuditSettings
from bezant.services.audit.storage.tree_head_key import TreeHeadKey


def build(context: ServiceContext) -> ServiceParts:
    """Return the service's parts."""

    linger_seconds = AuditSettings().linger_seconds

    async def record(tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        # While we wait the consumer's queue fills, so that the next batch is one transaction with many leaves.
        await asyncio.sleep(linger_seconds)
        await append_entries(context.databases, tenant_id, events)

    return ServiceParts(
        routers=[public_router(context.databases, TreeHeadKey(context.secrets))],
        consumers=[Subscription(TOPICS, record)],
    )
