"""Rotate a tenant's database credentials while it works."""

from uuid import UUID

from psycopg import errors

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Conflict, NotFound
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.idempotency import claim_key, fingerprint
from bezant.services.tenant.domain.problems import OperationInProgress
from bezant.services.tenant.domain.steps import Kind
from bezant.services.tenant.sagas.runner import SagaRunner
from bezant.services.tenant.sagas.steps import QUERIES
from bezant.services.tenant.storage.acts import record_act


async def rotate_credentials(
    control: ControlDatabase, runner: SagaRunner, tenant_id: UUID, *, actor: str, key: str | None
) -> UUID:
    """Begin a rotation and return its operation's id; a request under a key used before returns that rotation's id.

    Raises `NotFound`, `Conflict`, `OperationInProgress`, `IdempotencyKeyReused`.
    """
    operation_id = new_id()
    try:
        async with control.transaction() as connection:
            if key is not None:
                asked = fingerprint("POST", f"/v1/tenants/{tenant_id}/rotate-credentials", b"")
                known = await claim_key(
                    connection, "control", key=key, request_fingerprint=asked, resource_id=operation_id
                )
                if known is not None:
                    return known.resource_id
            row = await (await connection.execute(QUERIES["get_tenant_for_update"], {"id": tenant_id})).fetchone()
            if row is None:
                raise NotFound(f"there is no tenant {tenant_id}")
            if row[4] not in ("active", "suspended"):
                raise Conflict(f"the tenant is {row[4]}; credentials rotate once it is active")
            version = await (await connection.execute(QUERIES["credential_version"], {"id": tenant_id})).fetchone()
            assert version is not None
            request = {"actor": actor, "credential_version": version[0] + 1}
            await record_act(
                connection, "tenant.credentials_rotated", actor=actor, subject=str(tenant_id), tenant_id=tenant_id
            )
            operation = await runner.insert(connection, tenant_id, Kind.ROTATION, request, operation_id=operation_id)
    except errors.UniqueViolation as error:
        raise OperationInProgress("wait until the running operation on this tenant has ended") from error
    runner.start(operation)
    return operation_id
