"""What a service subscribes to."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from bezant.contracts.events import ReceivedEvent

EventHandler = Callable[[UUID, list[ReceivedEvent]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Topics that the replicas of a service share, and what is done with each tenant's events.

    The handler gets a batch of one tenant's events, in order for each aggregate, at least once; it must be
    idempotent (`claim_new`). When it raises `TenantUnavailable` the tenant's events are set aside and handed
    over again, in order, once its database is back; any other exception is retried in place and logged.
    """

    topics: Sequence[str]
    handler: EventHandler
    name: str = ""
    linger_seconds: float = 0.0
    """How long a batch gathers after its first event."""
    rest_factor: float = 0.0
    """After a batch the consumer rests for so many times as long as the batch took: while many tenants are busy, what
    comes meanwhile is fewer and larger transactions. The first events after a quiet moment do not wait for that."""
    longest_rest_seconds: float = 0.8
