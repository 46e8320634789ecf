"""Who may sign in, where, and as what."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import errors

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Forbidden, InvalidRequest, NotFound
from bezant.contracts.tenant_events import OperatorChanged
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.identity.api_keys import GRANTED_ON_REQUEST, Caller
from bezant.foundation.identity.roles import Role, scopes_of
from bezant.services.tenant.domain.problems import OperatorExists, OperatorNotFound
from bezant.services.tenant.sagas.steps import QUERIES, emit
from bezant.services.tenant.storage.acts import record_act


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who may sign in. `tenant_id` is None for a person of the platform."""

    id: UUID
    tenant_id: UUID | None
    email: str
    role: Role
    has_signed_in: bool
    created_at: datetime
    created_by: str
    last_sign_in_at: datetime | None


def _operator(row: tuple[Any, ...]) -> Operator:
    values: list[Any] = [*row[:3], Role(row[3]), *row[4:]]
    return Operator(*values)


def _where(caller: Caller, wanted: UUID | None, scope: str) -> UUID | None:
    """Return whose people the caller means: an administrator anybody's, others their own tenant's."""
    if "admin" in caller.scopes:
        return wanted
    caller.require(scope)
    return caller.tenant


async def add_operator(
    control: ControlDatabase, caller: Caller, *, email: str, role: Role, tenant_id: UUID | None
) -> Operator:
    """Let a person sign in. Raises `OperatorExists`, `NotFound`, `Forbidden` for more than the caller may itself."""
    owner = _where(caller, tenant_id, "people:write")
    address = email.strip().lower()
    if address.count("@") != 1 or any(character.isspace() for character in address):
        raise InvalidRequest("email: give one mail address")
    allowed = caller.scopes | GRANTED_ON_REQUEST
    if "admin" not in caller.scopes and not scopes_of(role, in_tenant=True) <= allowed:
        raise Forbidden(f"the role {role} may do more than this key or session; ask somebody who may do as much")
    operator_id = new_id()
    try:
        async with control.transaction() as connection:
            if owner is not None:
                found = await (await connection.execute(QUERIES["get_tenant"], {"id": owner})).fetchone()
                if found is None:
                    raise NotFound(f"there is no tenant {owner}")
            parameters = {"id": operator_id, "tenant_id": owner, "email": address, "role": role}
            await connection.execute(QUERIES["insert_operator"], parameters | {"created_by": caller.actor})
            await record_act(
                connection, "operator.added", actor=caller.actor, subject=str(operator_id), tenant_id=owner,
                email=address, role=role,
            )  # fmt: skip
            if owner is not None:
                data = OperatorChanged(operator_id=operator_id, email=address, role=role)
                await emit(connection, owner, "tenant.operator_added", data, actor=caller.actor)
            row = await (await connection.execute(QUERIES["operator_by_id"], {"id": operator_id})).fetchone()
    except errors.UniqueViolation as error:
        raise OperatorExists(f"{address} may sign in there already; remove that first to change the role") from error
    assert row is not None
    return _operator(row)


async def list_operators(control: ControlDatabase, caller: Caller, tenant_id: UUID | None) -> list[Operator]:
    """Return the people of a tenant, or of the platform for None, oldest first."""
    owner = _where(caller, tenant_id, "people:read")
    return [_operator(row) for row in await control.fetch_all(QUERIES["list_operators"], {"tenant_id": owner})]


async def remove_operator(control: ControlDatabase, caller: Caller, operator_id: UUID) -> None:
    """Let a person sign in no more, and end what sessions there are. Raises `OperatorNotFound`."""
    owner = _where(caller, None, "people:write")
    async with control.transaction() as connection:
        row = await (await connection.execute(QUERIES["lock_operator"], {"id": operator_id})).fetchone()
        if row is None or ("admin" not in caller.scopes and row[1] != owner):
            raise OperatorNotFound(f"there is no person {operator_id}")
        _, tenant_id, email, role = row
        await connection.execute(QUERIES["remove_operator"], {"id": operator_id})
        await connection.execute(QUERIES["revoke_sessions"], {"operator_id": operator_id})
        await record_act(
            connection, "operator.removed", actor=caller.actor, subject=str(operator_id), tenant_id=tenant_id,
            email=email, role=role,
        )  # fmt: skip
        if tenant_id is not None:
            data = OperatorChanged(operator_id=operator_id, email=email, role=role)
            await emit(connection, tenant_id, "tenant.operator_removed", data, actor=caller.actor)
