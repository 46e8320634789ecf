"""Set what a tenant wants of fraud checks when they are down, and its rate limit."""

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from bezant.contracts.problems import NotFound
from bezant.contracts.tenant_events import TenantPoliciesChanged
from bezant.foundation.control.database import ControlDatabase
from bezant.services.tenant.sagas.steps import QUERIES, emit
from bezant.services.tenant.storage.acts import record_act


async def set_policies(
    control: ControlDatabase,
    tenant_id: UUID,
    policies: dict[str, Any],
    rate_limit_per_second: int | None,
    *,
    actor: str,
) -> None:
    """Replace the policies. Raises `NotFound`."""
    async with control.transaction() as connection:
        changed = await connection.execute(
            QUERIES["set_policies"],
            {"id": tenant_id, "policies": Jsonb(policies), "rate_limit_per_second": rate_limit_per_second},
        )
        if not changed.rowcount:
            raise NotFound(f"there is no tenant {tenant_id}")
        data = TenantPoliciesChanged(
            tenant_id=tenant_id, policies=policies, rate_limit_per_second=rate_limit_per_second
        )
        await record_act(
            connection,
            "tenant.policies_changed",
            actor=actor,
            subject=str(tenant_id),
            tenant_id=tenant_id,
            policies=policies,
            rate_limit_per_second=rate_limit_per_second,
        )
        await emit(connection, tenant_id, "tenant.policies_changed", data, actor=actor)
