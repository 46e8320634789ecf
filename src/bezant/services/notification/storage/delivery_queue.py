"""The queue of deliveries in a tenant's database: settle what was attempted, claim what is due."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bezant.contracts.identifiers import new_id
from bezant.foundation.tenancy import TenantTransaction
from bezant.services.notification.domain.circuit import FAILURES_TO_OPEN, FIRST_OPEN_SECONDS, LONGEST_OPEN_SECONDS
from bezant.services.notification.domain.messages import EndpointKind
from bezant.services.notification.domain.outcomes import Outcome
from bezant.services.notification.storage import QUERIES
from bezant.services.notification.transport import Answer


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process sends now. Its secrets and private keys are still encrypted."""

    message_id: UUID
    endpoint_id: UUID
    sequence: int
    attempts: int
    """Counting the one that begins now."""
    event_type: str
    body: str
    kind: EndpointKind
    url: str
    signatures: list[str]
    secret: bytes
    previous_secret: bytes | None
    signing_key: bytes | None
    previous_signing_key: bytes | None
    client_certificate: bool
    failures: int
    """How often its endpoint has failed since it last took something."""


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
    answers = [each.answer.body or None for each in attempted]
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
            "answers": answers,
        },
    )


async def settle_circuits(
    tx: TenantTransaction,
    attempted: Sequence[Attempted],
    *,
    known_failing: Set[UUID],
    compression: float,
    give_up_hours: int,
) -> list[UUID]:
    """Count failures by endpoint, open and close circuits; return endpoints that have failed for too long.

    An endpoint that took something in the batch is well. Only one that is known to have failed needs a row
    written for that, so that endpoints that always answer cost nothing.
    """
    by_endpoint: dict[UUID, list[Attempted]] = {}
    for each in attempted:
        by_endpoint.setdefault(each.claimed.endpoint_id, []).append(each)
    well = {one for one, tried in by_endpoint.items() if any(each.answer.error is None for each in tried)}
    recovered = [one for one in well if one in known_failing or any(each.claimed.failures for each in by_endpoint[one])]
    if recovered:
        await tx.execute(QUERIES["close_circuits"], {"endpoint_ids": recovered})
    failing = sorted(by_endpoint.keys() - well)
    rows = []
    if failing:
        rows = await tx.fetch_all(
            QUERIES["count_failures"],
            {
                "endpoint_ids": failing,
                "failures": [len(by_endpoint[one]) for one in failing],
                "threshold": FAILURES_TO_OPEN,
                "first_open_seconds": FIRST_OPEN_SECONDS / compression,
                "longest_open_seconds": LONGEST_OPEN_SECONDS / compression,
                "give_up_hours": give_up_hours,
            },
        )
    # A receiver that asks for a rest (429 or 503 with Retry-After) gets it, even if it took other messages meanwhile.
    rests = {one: max(_rest_seconds(each) for each in by_endpoint[one]) for one in sorted(by_endpoint)}
    resting = [one for one, seconds in rests.items() if seconds > 0]
    if resting:
        await tx.execute(QUERIES["rest_endpoints"], {"endpoint_ids": resting, "rests": [rests[one] for one in resting]})
    return [endpoint_id for endpoint_id, for_too_long in rows if for_too_long]


def _rest_seconds(attempted: Attempted) -> float:
    return 0.0 if attempted.answer.error is None else attempted.answer.retry_after_seconds or 0.0


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
    claimed = []
    for row in rows:
        values: list[Any] = [*row[:6], EndpointKind(row[6]), *row[7:]]
        claimed.append(Claimed(*values))
    return claimed


async def next_due(tx: TenantTransaction) -> NextDue:
    """Return when there is more to do."""
    row = await tx.fetch_one(QUERIES["next_due"])
    return NextDue(*row) if row is not None else NextDue(None, None)
