"""Routes about personal values: how long they are kept, and their erasure."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from bezant.foundation.http import require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.audit.api.evidence_schemas import RetentionIn, RetentionOut
from bezant.services.audit.api.schemas import ErasureIn, ErasureOut
from bezant.services.audit.operations.erase_personal_values import erase_personal_values
from bezant.services.audit.operations.expire_personal_values import read_retention, set_retention

Reader = Annotated[Caller, Depends(require("audit:read"))]
Eraser = Annotated[Caller, Depends(require("audit:write"))]
Schedule = Callable[[UUID], Awaitable[None]]
"""Makes sure that a tenant's retention is carried out soon."""


def upkeep_router(databases: TenantDatabases, schedule_retention: Schedule) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1/audit", tags=["audit"])

    @router.post("/erasures", summary="Erase the personal values of some subjects or accounts")
    async def post_erasure(body: ErasureIn, caller: Eraser) -> ErasureOut:
        """Values and salts are deleted; leaves, and so every proof, stay as they are. The log says who did it."""
        erased = await erase_personal_values(
            databases, caller.tenant, body.subjects, body.account_ids, actor=caller.actor
        )
        return ErasureOut(erased_values=erased)

    @router.get("/retention", summary="How long personal values are kept")
    async def get_retention(caller: Reader) -> RetentionOut:
        return RetentionOut.of(await read_retention(databases, caller.tenant))

    @router.put("/retention", summary="Change how long personal values are kept")
    async def put_retention(body: RetentionIn, caller: Eraser) -> RetentionOut:
        """Older values are erased from the log's side tables within minutes, and from then on as they age."""
        retention = await set_retention(databases, caller.tenant, body.personal_values_days, actor=caller.actor)
        await schedule_retention(caller.tenant)
        return RetentionOut.of(retention)

    return router
