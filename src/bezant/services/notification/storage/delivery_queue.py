"""The queue of deliveries in a tenant's database: settle what was attempted, claim what is due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bezant.contracts.identifiers import new_id
from bezant.foundation.tenancy import TenantTransaction
from bezant.services.notification.domain.outcomes import Outcome
from bezant.services.notification.storage import QUERIES
from bezant.services.notification.transport import Answer


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process sends now. Its secrets are still encrypted."""

    message_id: UUID
    endpoint_id: UUID
    sequence: int
    attempts: int
    """Counting the one that begins now."""
    body: str
    url: str
    secret: bytes
    previous_secret: bytes | None


@dataclass(frozen=True, slots=True)
class Attempted:
    """A claimed delivery after its attempt."""

    claimed: Claimed
    answer: Answer
    outcome: Outcome
    at: datetime


@dataclass(frozen=True, slots=True)
class NextDue:
    """When a tenant has more to send, and when its newest message was enqueued."""

    due_at: datetime | None
    newest_message_at: datetime | None


async def settle(tx: TenantTransaction, attempted: Sequence[Attempted]) -> None:
    """Write down how attempts went."""
    message_ids = [each.claimed.message_id for each in attempted]
    attempts = [each.claimed.attempts for each in attempted]
    status_codes = [each.answer.status_code for each in attempted]
    errors = [each.answer.error for each in attempted]
    await tx.execute(
        QUERIES["settle_deliveries"],
        {
            "message_ids": message_ids,
            "attempts": attempts,
            "statuses": [each.outcome.status.value for each in attempted],
            "delays": [each.outcome.delay_seconds for each in attempted],
            "status_codes": status_codes,
            "errors": errors,
        },
    )
    await tx.execute(
        QUERIES["insert_attempts"],
        {
            "attempt_ids": [new_id() for _ in attempted],
            "message_ids": message_ids,
            "attempts": attempts,
            "moments": [each.at for each in attempted],
            "durations": [each.answer.duration_ms for each in attempted],
            "status_codes": status_codes,
            "errors": errors,
        },
    )


async def disable(tx: TenantTransaction, endpoint_ids: Sequence[UUID], reason: str) -> list[UUID]:
    """Disable endpoints that are enabled, and return which were."""
    rows = await tx.fetch_all(QUERIES["disable_endpoint"], {"endpoint_ids": list(endpoint_ids), "reason": reason})
    return [row[0] for row in rows]


async def claim(
    tx: TenantTransaction, rooms: Mapping[UUID, int], *, first_room: int, total_room: int, lease_seconds: float
) -> list[Claimed]:
    """Claim deliveries that are due: at most `rooms` for each endpoint (`first_room` for others) and `total_room`."""
    rows = await tx.fetch_all(
        QUERIES["claim_deliveries"],
        {
            "endpoint_ids": list(rooms),
            "rooms": list(rooms.values()),
            "first_room": first_room,
            "total_room": total_room,
            "lease_seconds": lease_seconds,
        },
    )
    return [Claimed(*row) for row in rows]


async def next_due(tx: TenantTransaction) -> NextDue:
    """Return when there is more to do."""
    row = await tx.fetch_one(QUERIES["next_due"])
    return NextDue(*row) if row is not None else NextDue(None, None)
