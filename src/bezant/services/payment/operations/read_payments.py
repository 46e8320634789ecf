"""Read payments, refunds and idempotency records."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from bezant.contracts.problems import NotFound
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.payment.domain.payments import Action, Payment
from bezant.services.payment.domain.problems import PaymentNotFound
from bezant.services.payment.storage.queries import QUERIES
from bezant.services.payment.storage.rows import action_from_row, payment_from_row


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """Which payments a list shows."""

    status: str | None = None
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """What is known of a key."""

    key: str
    owner: Literal["account", "ledger", "payment"]
    """The schema of the service that it was sent to."""
    resource_id: UUID
    response_status: int | None
    response_body: str | None
    created_at: datetime


async def get_payment(databases: TenantDatabases, tenant_id: UUID, payment_id: UUID) -> Payment:
    """Return one payment. Raises `PaymentNotFound`."""
    rows = await databases.fetch(tenant_id, QUERIES["get_payments"], {"ids": [payment_id]})
    if not rows:
        raise PaymentNotFound(f"there is no payment {payment_id}")
    return payment_from_row(rows[0])


async def list_payments(
    databases: TenantDatabases, tenant_id: UUID, chosen: PaymentFilter, *, before: UUID | None, limit: int
) -> list[Payment]:
    """Return payments, newest first."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": limit}
    if before is not None:
        conditions.append("id < %(before)s")
        parameters["before"] = before
    if chosen.status is not None:
        conditions.append("status = %(status)s")
        parameters["status"] = chosen.status
    if chosen.account_id is not None:
        conditions.append("(source_account_id = %(account_id)s OR destination_account_id = %(account_id)s)")
        parameters["account_id"] = chosen.account_id
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    query = QUERIES["payment_columns"] + where + " ORDER BY id DESC LIMIT %(limit)s"
    rows = await databases.fetch(tenant_id, query, parameters)
    return [payment_from_row(row) for row in rows]


async def list_refunds(databases: TenantDatabases, tenant_id: UUID, payment_id: UUID) -> tuple[Payment, list[Action]]:
    """Return a payment and its refunds, oldest first. Raises `PaymentNotFound`."""
    payment = await get_payment(databases, tenant_id, payment_id)
    query = QUERIES["action_columns"] + " WHERE payment_id = %(id)s AND kind = 'refund' ORDER BY id"
    rows = await databases.fetch(tenant_id, query, {"id": payment_id})
    return payment, [action_from_row(row) for row in rows]


async def get_idempotency_record(databases: TenantDatabases, tenant_id: UUID, key: str) -> IdempotencyRecord:
    """Return what is known of a key. Raises `NotFound`."""
    rows = await databases.fetch(tenant_id, QUERIES["record_of_key"], {"key": key})
    if not rows:
        raise NotFound("no request with this Idempotency-Key was recorded in the last seven days")
    return IdempotencyRecord(key, *rows[0])
