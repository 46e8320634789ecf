"""Suspend and resume a tenant. A suspended tenant can be read and not changed."""

from uuid import UUID

from bezant.contracts.problems import Conflict, NotFound
from bezant.contracts.tenant_events import TenantStateChanged
from bezant.foundation.control.database import ControlDatabase
from bezant.services.tenant.sagas.steps import QUERIES, emit
from bezant.services.tenant.storage.acts import record_act

_CHANGES = {"suspended": ("active", "tenant.suspended"), "active": ("suspended", "tenant.resumed")}


async def change_status(control: ControlDatabase, tenant_id: UUID, status: str, *, actor: str) -> None:
    """Set the status to `suspended` or `active`; doing so twice changes nothing. Raises `NotFound`, `Conflict`."""
    expected, event = _CHANGES[status]
    async with control.transaction() as connection:
        row = await (await connection.execute(QUERIES["get_tenant_for_update"], {"id": tenant_id})).fetchone()
        if row is None:
            raise NotFound(f"there is no tenant {tenant_id}")
        if row[4] == status:
            return
        if row[4] != expected:
            raise Conflict(f"the tenant is {row[4]}; only one that is {expected} can become {status}")
        await connection.execute(QUERIES["set_status"], {"id": tenant_id, "status": status})
        await record_act(connection, event, actor=actor, subject=str(tenant_id), tenant_id=tenant_id)
        await emit(connection, tenant_id, event, TenantStateChanged(tenant_id=tenant_id), actor=actor)
