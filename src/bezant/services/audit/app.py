"""Wiring of the audit service."""

from datetime import UTC, datetime
from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.foundation.events.subscription import Subscription
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.audit.api.evidence_routes import evidence_router
from bezant.services.audit.api.routes import public_router
from bezant.services.audit.api.upkeep_routes import upkeep_router
from bezant.services.audit.events.consumes import TOPICS
from bezant.services.audit.operations.append_entries import append_entries
from bezant.services.audit.operations.expire_personal_values import RETENTION_KIND, expire_personal_values
from bezant.services.audit.settings import AuditSettings
from bezant.services.audit.storage.tree_head_key import TreeHeadKey


def build(context: ServiceContext) -> ServiceParts:
    """Return the service's parts."""

    async def record(tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        await append_entries(context.databases, tenant_id, events)

    async def schedule_retention(tenant_id: UUID) -> None:
        await context.due_work.schedule(tenant_id, RETENTION_KIND, datetime.now(UTC))

    async def carry_out_retention(tenant_id: UUID) -> datetime | None:
        return await expire_personal_values(context.databases, tenant_id)

    key = TreeHeadKey(context.secrets)
    return ServiceParts(
        routers=[
            public_router(context.databases, key),
            evidence_router(context.databases, key),
            upkeep_router(context.databases, schedule_retention),
        ],
        consumers=[Subscription(TOPICS, record, linger_seconds=AuditSettings().linger_seconds, rest_factor=3.0)],
        due_work={RETENTION_KIND: carry_out_retention},
    )
