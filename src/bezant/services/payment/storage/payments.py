"""Payments as rows: locked and changed by the transactions that act on them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from bezant.foundation.tenancy import TenantTransaction
from bezant.services.payment.domain.payments import Payment
from bezant.services.payment.storage.queries import QUERIES
from bezant.services.payment.storage.rows import payment_from_row


async def lock_payments(transaction: TenantTransaction, ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """Return the payments of these ids, locked in the order of their ids."""
    rows = await transaction.fetch_all(
        QUERIES["lock_payments"],
        {"ids": sorted(set(ids))},
    )
    return {row[0]: payment_from_row(row) for row in rows}


async def update_payments(transaction: TenantTransaction, payments: list[Payment], now: datetime) -> None:
    """Write payments that this transaction has locked and changed."""
    await transaction.execute(
        QUERIES["update_payments"],
        {
            "ids": [payment.id for payment in payments],
            "statuses": [payment.status.value for payment in payments],
            "reasons": [payment.reason_code for payment in payments],
            "captured": [payment.captured_minor for payment in payments],
            "refunded": [payment.refunded_minor for payment in payments],
            "refunding": [payment.refunding_minor for payment in payments],
            "versions": [payment.version for payment in payments],
            "times": [now] * len(payments),
        },
    )
