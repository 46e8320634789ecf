"""What is sent: the body of a webhook, and how its delivery goes."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

TEST_EVENT_TYPE: Final = "endpoint.test"


class DeliveryStatus(StrEnum):
    """Where the delivery of a message stands."""

    PENDING = "pending"
    """To be sent, now or at its next attempt."""
    DELIVERED = "delivered"
    """The receiver answered 2xx."""
    DEAD = "dead"
    """Every attempt of the schedule failed; replay sends it again."""
    CANCELLED = "cancelled"
    """The endpoint was deleted before it could be delivered."""


class EndpointKind(StrEnum):
    """How an endpoint is told."""

    WEBHOOK = "webhook"
    """A signed POST."""
    EMAIL = "email"
    """A mail to an address whose owner has confirmed it."""


class EndpointStatus(StrEnum):
    """Whether an endpoint gets messages."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    """Nothing is enqueued or sent; what waits stays until it is enabled again."""
    DELETED = "deleted"


class _Body(msgspec.Struct, frozen=True):
    # The three members that Standard Webhooks recommends, plus the id of the event for joining with the API.
    type: str
    timestamp: datetime
    event_id: str
    subject: str
    data: dict[str, Any]


_encoder = msgspec.json.Encoder()


def body_of(event_type: str, *, event_id: str, subject: str, time: datetime, data: dict[str, Any]) -> bytes:
    """Return the JSON body of a webhook; every attempt sends the same bytes."""
    return _encoder.encode(_Body(event_type, time.astimezone(UTC), event_id, subject, data))


def is_success(status_code: int) -> bool:
    """Return whether an answer counts as taken (Standard Webhooks: any 2xx)."""
    return 200 <= status_code < 300


def asks_to_stop(status_code: int) -> bool:
    """Return whether an answer asks for no more webhooks at all (Standard Webhooks: 410 Gone)."""
    return status_code == 410
