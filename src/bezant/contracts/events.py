"""Events: CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec, v1.0.2), one envelope for all topics.

An event is written as an outbox row in the transaction that made it and published by a relay. Delivery is at
least once; the order is kept per aggregate, because the Kafka key is `tenant/subject`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from bezant.contracts.identifiers import new_id

TENANT_CREATED: Final = "tenant.created"
TENANT_CHANGED: Final = "tenant.changed"
ACCOUNT_EVENTS: Final = "account.events"
TRANSFER_EVENTS: Final = "transfer.events"
PAYMENT_EVENTS: Final = "payment.events"
FRAUD_EVENTS: Final = "fraud.events"
NOTIFICATION_EVENTS: Final = "notification.events"
HEARTBEAT: Final = "platform.heartbeat"

AGGREGATE_TOPICS: Final = (ACCOUNT_EVENTS, TRANSFER_EVENTS, PAYMENT_EVENTS, FRAUD_EVENTS, NOTIFICATION_EVENTS)
"""Topics of which a consumer group shares the partitions."""
BROADCAST_TOPICS: Final = (TENANT_CREATED, TENANT_CHANGED)
"""Topics that every service instance reads in full."""
PARTITIONS: Final[dict[str, int]] = {
    **dict.fromkeys(AGGREGATE_TOPICS, 3),
    **dict.fromkeys(BROADCAST_TOPICS, 1),
    HEARTBEAT: 1,
}
"""How many partitions each topic is created with on the local broker."""

SCHEMA_BASE: Final = "https://bezant.dev/schemas/"


@dataclass(frozen=True, slots=True)
class Event:
    """An event to be written. `subject` is the id of the aggregate, whose events stay in order.

    `opens` says that it is the first event of its aggregate, or follows the first in the same transaction: none can
    be waiting to be published before it.
    """

    type: str
    topic: str
    subject: str
    data: Any
    actor: str
    id: UUID = field(default_factory=new_id)
    version: int = 1
    opens: bool = False

    def partition_key(self, tenant_id: UUID) -> str:
        """Return the Kafka key: one aggregate of one tenant."""
        return f"{tenant_id}/{self.subject}"

    def envelope(self, tenant_id: UUID, source: str, traceparent: str | None) -> bytes:
        """Return the CloudEvents JSON. Extension attributes: `tenantid`, `actor`, `traceparent`."""
        return _encode(
            _Envelope(
                id=self.id,
                source=f"/bezant/{source}",
                type=self.type,
                subject=self.subject,
                time=datetime.now(UTC),
                dataschema=f"{SCHEMA_BASE}{self.type}/v{self.version}",
                tenantid=tenant_id,
                actor=self.actor,
                data=self.data,
                traceparent=traceparent,
            )
        )


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    dataschema: str
    tenantid: UUID
    actor: str
    data: Any
    traceparent: str | None = None
    datacontenttype: str = ""
    specversion: str = ""


class ReceivedEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer reads; unknown attributes are ignored, so that newer producers can add some."""

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    tenantid: UUID
    actor: str = "unknown"
    data: dict[str, Any]
    traceparent: str | None = None
    dataschema: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event as its consumer gets it; `raw` are the bytes of the envelope as they were published."""

    id: UUID
    type: str
    topic: str
    subject: str
    tenant_id: UUID
    time: datetime
    actor: str
    data: dict[str, Any]
    traceparent: str | None
    raw: bytes


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ReceivedEnvelope)
_PREFIX: Final = b'{"specversion":"1.0","datacontenttype":"application/json",'


def _encode(envelope: _Envelope) -> bytes:
    # The two constant attributes are spliced in so that each event does not carry them through the encoder.
    return _PREFIX + _encoder.encode(envelope)[1:]


def decode_event(topic: str, raw: bytes) -> ReceivedEvent:
    """Return the event in `raw`. Raises `msgspec.DecodeError` when it is not an envelope of ours."""
    try:
        envelope = _decoder.decode(raw)
    except UnicodeDecodeError as error:
        # msgspec lets this one through; an unreadable message must look like any other to whoever skips it
        raise msgspec.DecodeError(f"the message is not UTF-8: {error.reason}") from error
    return ReceivedEvent(
        id=envelope.id,
        type=envelope.type,
        topic=topic,
        subject=envelope.subject,
        tenant_id=envelope.tenantid,
        time=envelope.time,
        actor=envelope.actor,
        data=envelope.data,
        traceparent=envelope.traceparent,
        raw=raw,
    )
