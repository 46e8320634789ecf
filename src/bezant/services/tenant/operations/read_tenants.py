"""Read tenants and the state of their operations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bezant.contracts.problems import NotFound
from bezant.foundation.control.database import ControlDatabase
from bezant.services.tenant.domain.steps import STEPS, Kind
from bezant.services.tenant.sagas.steps import QUERIES


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as its administrators see it."""

    id: UUID
    slug: str
    name: str
    tier: str
    status: str
    default_currency: str
    policies: dict[str, Any]
    rate_limit_per_second: int
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepState:
    """One step of an operation; `status` is `pending` before it begins."""

    name: str
    status: str
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    progress: str | None


@dataclass(frozen=True, slots=True)
class OperationState:
    """An operation on a tenant, with its steps."""

    id: UUID
    kind: str
    status: str
    error: str | None
    started_at: datetime
    finished_at: datetime | None
    steps: list[StepState]


async def get_tenant(control: ControlDatabase, tenant_id: UUID) -> Tenant:
    """Return one tenant. Raises `NotFound`."""
    row = await control.fetch_one(QUERIES["get_tenant"], {"id": tenant_id})
    if row is None:
        raise NotFound(f"there is no tenant {tenant_id}")
    return Tenant(*row)


async def list_tenants(control: ControlDatabase, *, after: UUID | None, limit: int, status: str | None) -> list[Tenant]:
    """Return tenants, oldest first."""
    rows = await control.fetch_all(QUERIES["list_tenants"], {"after": after, "limit": limit, "status": status})
    return [Tenant(*row) for row in rows]


async def get_latest_operation(control: ControlDatabase, tenant_id: UUID, kind: Kind) -> OperationState:
    """Return the tenant's latest operation of a kind with every step. Raises `NotFound`."""
    row = await control.fetch_one(QUERIES["latest_operation"], {"tenant_id": tenant_id, "kind": kind.value})
    if row is None:
        raise NotFound(f"there is no {kind.value} of a tenant {tenant_id}")
    return await _with_steps(control, row)


async def get_operation(control: ControlDatabase, tenant_id: UUID, operation_id: UUID) -> OperationState:
    """Return one operation of the tenant with every step. Raises `NotFound`."""
    row = await control.fetch_one(QUERIES["get_operation"], {"tenant_id": tenant_id, "id": operation_id})
    if row is None:
        raise NotFound(f"there is no operation {operation_id} of a tenant {tenant_id}")
    return await _with_steps(control, row)


async def _with_steps(control: ControlDatabase, row: tuple[Any, ...]) -> OperationState:
    stored = {step[0]: step for step in await control.fetch_all(QUERIES["operation_steps"], {"id": row[0]})}
    steps = []
    for position, name in enumerate(STEPS[Kind(row[1])]):
        if position in stored:
            _, _, status, attempts, started_at, finished_at, error, progress = stored[position]
            steps.append(StepState(name, status, attempts, started_at, finished_at, error, progress))
        else:
            steps.append(StepState(name, "pending", 0, None, None, None, None))
    return OperationState(row[0], row[1], row[2], row[3], row[4], row[5], steps)
