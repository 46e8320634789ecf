"""Close a tenant: refused while money is in it, then its data is removed."""

from typing import Any
from uuid import UUID

from psycopg import errors

from bezant.contracts.internal.ledger import ClosingState
from bezant.contracts.problems import Conflict, NotFound
from bezant.contracts.tenant_events import TenantStateChanged
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.internal_calls import InternalCalls
from bezant.services.tenant.domain.problems import OperationInProgress, TenantInUse
from bezant.services.tenant.domain.steps import Kind
from bezant.services.tenant.sagas.runner import SagaRunner
from bezant.services.tenant.sagas.steps import QUERIES, emit
from bezant.services.tenant.storage.acts import record_act


async def close_tenant(
    control: ControlDatabase, runner: SagaRunner, internal: InternalCalls, tenant_id: UUID, *, actor: str
) -> None:
    """Begin to close a suspended tenant. Raises `NotFound`, `Conflict`, `TenantInUse`, `OperationInProgress`.

    Only a suspended tenant can be closed, so that nothing moves between the look at its balances and the end. One
    whose closing failed half-way is closed further: it was found empty, and perhaps has no database any more.
    """
    if _closable(await control.fetch_one(QUERIES["get_tenant"], {"id": tenant_id}), tenant_id) == "suspended":
        await _require_empty(internal, tenant_id)
    try:
        async with control.transaction() as connection:
            # Again, under a lock: it may have been resumed while its balances were looked at.
            cursor = await connection.execute(QUERIES["get_tenant_for_update"], {"id": tenant_id})
            _closable(await cursor.fetchone(), tenant_id)
            await connection.execute(QUERIES["set_status"], {"id": tenant_id, "status": "closing"})
            await record_act(
                connection, "tenant.closing_begun", actor=actor, subject=str(tenant_id), tenant_id=tenant_id
            )
            begun = TenantStateChanged(tenant_id=tenant_id)
            await emit(connection, tenant_id, "tenant.closing_begun", begun, actor=actor)
            operation = await runner.insert(connection, tenant_id, Kind.OFFBOARDING, {"actor": actor})
    except errors.UniqueViolation as error:
        raise OperationInProgress("wait until the running operation on this tenant has ended") from error
    runner.start(operation)


def _closable(row: tuple[Any, ...] | None, tenant_id: UUID) -> str:
    """Return the status of a tenant that can be closed. Raises `NotFound`, `Conflict`."""
    if row is None:
        raise NotFound(f"there is no tenant {tenant_id}")
    status = str(row[4])
    if status not in ("suspended", "closing"):
        raise Conflict(f"the tenant is {status}; suspend it first, so that nothing moves while it is closed")
    return status


async def _require_empty(internal: InternalCalls, tenant_id: UUID) -> None:
    states: list[ClosingState] = await internal.call("transaction", "ledger/closing", tenant_id, [None], ClosingState)
    state = states[0]
    if state.open_holds or state.accounts_with_customer_balance:
        raise TenantInUse(
            f"{state.open_holds} holds and {state.accounts_with_customer_balance} customer or merchant balances are "
            "left; void or capture the holds and pay the balances out"
        )
