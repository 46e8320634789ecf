"""Wiring of the audit service."""

import logging
from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.foundation.events.subscription import Subscription
from bezant.foundation.secrets.store import SecretStoreUnavailable
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.audit.api.routes import public_router
from bezant.services.audit.events.consumes import TOPICS
from bezant.services.audit.operations.append_entries import append_entries
from bezant.services.audit.storage.tree_head_key import TreeHeadKey, ensure_tree_head_key

_log = logging.getLogger(__name__)


def build(context: ServiceContext) -> ServiceParts:
    """Return the service's parts."""

    async def record(tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        await append_entries(context.databases, tenant_id, events)

    async def ensure_key() -> None:
        # Setting up a platform makes the key; a platform that was set up before there was one gets it here.
        try:
            await ensure_tree_head_key(context.secrets)
        except SecretStoreUnavailable as error:
            _log.warning("the key that signs tree heads was not looked for: %s", error)

    return ServiceParts(
        routers=[public_router(context.databases, TreeHeadKey(context.secrets))],
        consumers=[Subscription(TOPICS, record)],
        background=[ensure_key],
    )
