"""Requests and answers of the webhook API."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bezant.contracts.annotations import Instant, Text
from bezant.services.notification.domain.endpoints import Attempt, Delivery, DeliveryDetail, Endpoint
from bezant.services.notification.domain.messages import DeliveryStatus, EndpointStatus
from bezant.services.notification.domain.signatures import SignatureScheme
from bezant.services.notification.operations.manage_endpoints import EndpointChange
from bezant.services.notification.operations.replay_messages import ReplaySelection

_MAX_SEQUENCE = 2**63 - 1

Url = Annotated[Text, Field(min_length=1, max_length=2_000, examples=["https://example.com/webhooks"])]
Description = Annotated[Text, Field(max_length=500)]
EventFilters = Annotated[
    list[Annotated[str, Field(max_length=100)]],
    Field(
        min_length=1,
        max_length=50,
        examples=[["payment.*", "fraud.case_opened"]],
        description="Event types (payment.captured), patterns with one * in a part (payment.*, *.frozen, "
        "payment.refund*) or everything (*)",
    ),
]
Sequence = Annotated[int, Field(ge=1, le=_MAX_SEQUENCE, strict=True)]


Signatures = Annotated[
    list[SignatureScheme],
    Field(
        min_length=1,
        max_length=2,
        description="How messages are signed: v1 is HMAC-SHA256 with `secret`, v1a is Ed25519 for `public_key`",
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EndpointIn(_Strict):
    """A new endpoint."""

    url: Url
    description: Description = ""
    event_filters: EventFilters = ["*"]
    signatures: Signatures = [SignatureScheme.HMAC]
    client_certificate: bool = Field(False, description="Show Bezant's client certificate to the receiver (mutual TLS)")


class EndpointChangeIn(_Strict):
    """What to change; parts that are left out stay as they are."""

    url: Url | None = None
    description: Description | None = None
    event_filters: EventFilters | None = None
    status: Literal["enabled", "disabled"] | None = None
    signatures: Signatures | None = None
    client_certificate: bool | None = None

    def change(self) -> EndpointChange:
        """Return the change."""
        status = None if self.status is None else EndpointStatus(self.status)
        return EndpointChange(
            self.url, self.description, self.event_filters, status, self.signatures, self.client_certificate
        )


class EndpointOut(BaseModel):
    """Where events are sent."""

    id: UUID
    url: str
    description: str
    event_filters: list[str]
    status: EndpointStatus
    status_reason: str | None = Field(description="Why Bezant disabled it, if Bezant did")
    last_sequence: int = Field(description="`bezant-sequence` of the newest message")
    signatures: list[SignatureScheme]
    public_key: str | None = Field(description="`whpk_...`, verifies the v1a signatures")
    previous_public_key: str | None = Field(description="While the key before it still signs")
    client_certificate: bool
    previous_secret_expires_at: datetime | None
    failing_since: datetime | None = Field(description="Since when every attempt has failed")
    paused_until: datetime | None = Field(
        description="Nothing is sent before: the endpoint failed several times in a row, or asked for a rest"
    )
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, endpoint: Endpoint) -> Self:
        """Return the answer for an endpoint."""
        return cls(
            id=endpoint.id,
            url=endpoint.url,
            description=endpoint.description,
            event_filters=endpoint.event_filters,
            status=endpoint.status,
            status_reason=endpoint.status_reason,
            last_sequence=endpoint.last_sequence,
            signatures=endpoint.signatures,
            public_key=endpoint.public_key,
            previous_public_key=endpoint.previous_public_key,
            client_certificate=endpoint.client_certificate,
            failing_since=endpoint.failing_since,
            paused_until=endpoint.paused_until,
            previous_secret_expires_at=endpoint.previous_secret_expires_at,
            created_at=endpoint.created_at,
            updated_at=endpoint.updated_at,
        )


class NewEndpointOut(EndpointOut):
    """A new endpoint with its secret, which is shown this once."""

    secret: str = Field(description="Standard Webhooks signing secret, `whsec_...`; store it now")


class RotationIn(_Strict):
    """How long the old secret goes on signing beside the new one."""

    overlap_seconds: int = Field(86_400, ge=0, le=7 * 86_400, strict=True)


class RotationOut(BaseModel):
    """The new secret, which is shown this once."""

    secret: str
    public_key: str | None = Field(description="The new key that verifies v1a signatures, if the endpoint has one")
    previous_secret_expires_at: datetime


class ClientCertificateOut(BaseModel):
    """What Bezant shows to receivers that ask for a client certificate: have yours trust it."""

    certificate: str = Field(description="PEM")
    fingerprint_sha256: str
    expires_at: datetime


class DeliveryOut(BaseModel):
    """How one message is doing. `id` is the `webhook-id` header, the same for every attempt."""

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

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Return the answer for a delivery."""
        return cls(
            id=delivery.id,
            sequence=delivery.sequence,
            event_id=delivery.event_id,
            event_type=delivery.event_type,
            subject=delivery.subject,
            status=delivery.status,
            attempts=delivery.attempts,
            next_attempt_at=delivery.next_attempt_at,
            last_attempt_at=delivery.last_attempt_at,
            last_status_code=delivery.last_status_code,
            last_error=delivery.last_error,
            delivered_at=delivery.delivered_at,
            created_at=delivery.created_at,
        )


class AttemptOut(BaseModel):
    """One try."""

    number: int
    attempted_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    answer_body: str | None = Field(description="The first 2 KiB of what the receiver answered")

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """Return the answer for an attempt."""
        return cls(
            number=attempt.number,
            attempted_at=attempt.attempted_at,
            duration_ms=attempt.duration_ms,
            status_code=attempt.status_code,
            error=attempt.error,
            answer_body=attempt.answer_body,
        )


class DeliveryDetailOut(DeliveryOut):
    """A delivery with what is sent and what was tried."""

    body: str = Field(description="Exactly the bytes that are signed and sent")
    tried: list[AttemptOut]

    @classmethod
    def of_detail(cls, detail: DeliveryDetail) -> Self:
        """Return the answer for a delivery with its attempts."""
        return cls(
            **DeliveryOut.of(detail.delivery).model_dump(),
            body=detail.body,
            tried=[AttemptOut.of(attempt) for attempt in detail.tried],
        )


class ReplayIn(_Strict):
    """Which messages to send again: by id, from a sequence number on, by a range of sequence numbers or of time.

    `status` narrows it down, or chooses alone: `{"status": "dead"}` is every dead letter.
    """

    message_ids: list[UUID] | None = Field(None, min_length=1, max_length=1_000)
    since_sequence: Sequence | None = Field(None, description="This one and all later ones")
    from_sequence: Sequence | None = None
    to_sequence: Sequence | None = None
    from_time: Instant | None = Field(None, description="Enqueued at this time or later")
    to_time: Instant | None = Field(None, description="Enqueued before this time")
    status: DeliveryStatus | None = Field(None, description="Only those of this status, for example dead")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_range = self.from_sequence is not None or self.to_sequence is not None
        by_time = self.from_time is not None or self.to_time is not None
        ways = sum([self.message_ids is not None, self.since_sequence is not None, by_range, by_time])
        if ways > 1 or (ways == 0 and self.status is None):
            raise ValueError(
                "give message_ids, since_sequence, from_sequence and to_sequence, from_time and to_time, or only status"
            )
        if by_range and (self.from_sequence is None or self.to_sequence is None):
            raise ValueError("give both from_sequence and to_sequence")
        return self

    def selection(self) -> ReplaySelection:
        """Return the selection."""
        return ReplaySelection(
            message_ids=self.message_ids,
            from_sequence=self.since_sequence or self.from_sequence or 1,
            to_sequence=self.to_sequence or _MAX_SEQUENCE,
            from_time=self.from_time,
            to_time=self.to_time,
            status=self.status,
        )


class ReplayOut(BaseModel):
    """How many messages are sent again."""

    replayed: int
    next_sequence: int | None = Field(
        description="Where to go on (`since_sequence`, or `from_sequence` of the same range): one request sends "
        "10,000 messages at most. Null when that was all"
    )


class TestEventOut(BaseModel):
    """The test message that is on its way."""

    id: UUID
    sequence: int
