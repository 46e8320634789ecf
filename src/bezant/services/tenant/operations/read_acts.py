"""Read what administrators did."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bezant.foundation.control.database import ControlDatabase
from bezant.services.tenant.sagas.steps import QUERIES


@dataclass(frozen=True, slots=True)
class Act:
    """One administrative act."""

    id: UUID
    happened_at: datetime
    actor: str
    act: str
    tenant_id: UUID | None
    subject: str
    details: dict[str, Any]


async def read_acts(control: ControlDatabase, *, tenant_id: UUID | None, before: UUID | None, limit: int) -> list[Act]:
    """Return acts, latest first; of a tenant, or all."""
    rows = await control.fetch_all(QUERIES["list_acts"], {"tenant_id": tenant_id, "before": before, "limit": limit})
    return [Act(*row) for row in rows]
