"""The leaf of an event: what exactly is hashed into the tree."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from bezant.contracts.events import ReceivedEvent
from bezant.services.audit.domain.canonical import canonical_bytes
from bezant.services.audit.domain.commitments import PersonalValue, commit_personal_fields
from bezant.services.audit.domain.merkle import leaf_hash
from bezant.services.audit.domain.personal_fields import personal_fields

LEAF_VERSION: Final = 1


class Leaf(NamedTuple):
    """An event ready to be appended."""

    content: bytes
    """RFC 8785 bytes."""
    hash: bytes
    personal_values: list[PersonalValue]


def rfc3339(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC with microseconds, always of the same length."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def make_leaf(event: ReceivedEvent, new_salt: Callable[[], bytes]) -> Leaf:
    """Return the leaf of an event, its personal fields replaced by commitments."""
    data, taken = commit_personal_fields(event.data, personal_fields(event.type), new_salt)
    content = canonical_bytes(
        {
            "leaf_version": LEAF_VERSION,
            "entry_id": str(event.id),
            "tenant_id": str(event.tenant_id),
            "topic": event.topic,
            "type": event.type,
            "subject": event.subject,
            "actor": event.actor,
            "time": rfc3339(event.time),
            "data": data,
        }
    )
    return Leaf(content, leaf_hash(content), taken)
