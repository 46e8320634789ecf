"""Endpoints and deliveries as they are read."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bezant.services.notification.domain.messages import DeliveryStatus, EndpointKind, EndpointStatus
from bezant.services.notification.domain.signatures import SignatureScheme


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a tenant wants to be told what happens. Its secret is never among this."""

    id: UUID
    kind: EndpointKind
    url: str
    """For e-mail `mailto:` and the address."""
    description: str
    event_filters: list[str]
    status: EndpointStatus
    status_reason: str | None
    created_at: datetime
    updated_at: datetime
    previous_secret_expires_at: datetime | None
    last_sequence: int
    signatures: list[SignatureScheme]
    public_key: str | None
    previous_public_key: str | None
    """Only while it still signs."""
    client_certificate: bool
    """Whether Bezant shows its own certificate to the receiver (mutual TLS)."""
    failing_since: datetime | None
    """Since when every attempt has failed."""
    paused_until: datetime | None
    """Nothing is sent before: the endpoint failed too often, or asked for a rest."""

    @property
    def address(self) -> str:
        """The mail address of an e-mail subscription."""
        return self.url.removeprefix("mailto:")


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one message is doing."""

    id: UUID
    sequence: int
    event_id: UUID
    event_type: str
    subject: str
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status_code: int | None
    last_error: str | None
    delivered_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at delivering a message."""

    number: int
    attempted_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    answer_body: str | None
    """The beginning of what the receiver answered."""


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """A delivery with the body that is sent and what was tried."""

    delivery: Delivery
    body: str
    tried: list[Attempt]
