"""Audit logs on a real PostgreSQL: how tests fill them, and how a superuser damages them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.contracts.identifiers import new_id
from bezant.services.audit.operations.append_entries import append_entries

from ..stores.fixtures import Stores


def events(tenant: UUID, count: int, **changes: Any) -> list[ReceivedEvent]:
    return [
        ReceivedEvent(
            **(
                {
                    "id": new_id(),
                    "type": "payment.created",
                    "topic": "payment.events",
                    "subject": f"payment-{number}",
                    "tenant_id": tenant,
                    "time": datetime.now(UTC),
                    "actor": "key:abc",
                    "data": {
                        "n": number,
                        "text": "\x00",
                        "reference": f"for Ada {number}",
                        "context": {"ip": "203.0.113.9"},
                    },
                    "traceparent": None,
                    "raw": b"",
                }
                | changes
            )
        )
        for number in range(count)
    ]


async def append(stores: Stores, tenant: UUID, batch: list[ReceivedEvent]) -> int:
    return await append_entries(stores.databases("audit"), tenant, batch)


async def corrupt(stores: Stores, tenant: UUID, statement: str, table: str = "entries") -> None:
    """What only a superuser who switches the triggers off can do."""
    await stores.as_superuser(tenant, f"ALTER TABLE audit.{table} DISABLE TRIGGER USER")
    await stores.as_superuser(tenant, statement)
    await stores.as_superuser(tenant, f"ALTER TABLE audit.{table} ENABLE TRIGGER USER")
