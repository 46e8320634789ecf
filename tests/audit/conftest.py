"""The audit service's HTTP interface on real stores."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from bezant.services.audit.api.evidence_routes import evidence_router
from bezant.services.audit.api.routes import public_router
from bezant.services.audit.api.upkeep_routes import upkeep_router
from bezant.services.audit.storage.tree_head_key import TreeHeadKey

from ..stores.fixtures import Stores
from ..stores.http import Api, serving


@pytest.fixture
def scheduled() -> list[UUID]:
    """The tenants whose retention was asked to be carried out."""
    return []


@pytest.fixture
async def api(stores: Stores, scheduled: list[UUID]) -> AsyncIterator[Api]:
    async def schedule(tenant_id: UUID) -> None:
        scheduled.append(tenant_id)

    databases = stores.databases("audit")
    # Read again for every request, so that a test sees a rotation at once.
    key = TreeHeadKey(stores.secrets, reload_seconds=0)
    routers = [
        public_router(databases, key),
        evidence_router(databases, key),
        upkeep_router(databases, schedule),
    ]
    async with serving("audit", routers, stores) as api:
        yield api
