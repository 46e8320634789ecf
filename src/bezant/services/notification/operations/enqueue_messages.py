"""Enqueue the messages of a batch of events: one for each endpoint that wants it, numbered without gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.contracts.identifiers import new_id
from bezant.foundation.events.inbox import claim_new
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.domain.filters import matches
from bezant.services.notification.domain.messages import body_of
from bezant.services.notification.metrics import ENQUEUED
from bezant.services.notification.storage import QUERIES


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be numbered and enqueued."""

    endpoint_id: UUID
    event_id: UUID
    event_type: str
    subject: str
    body: str


async def enqueue_events(databases: TenantDatabases, tenant_id: UUID, events: Sequence[ReceivedEvent]) -> int:
    """Enqueue what the tenant's endpoints want of the events, each event once, and return how many messages.

    Raises `TenantUnavailable` when the database does not answer.
    """

    async def work(tx: TenantTransaction) -> int:
        fresh = await claim_new(tx, "notification", events)
        if not fresh:
            return 0
        endpoints = await tx.fetch_all(QUERIES["enabled_endpoints"])
        outgoing = []
        for event in fresh:
            wanting = [endpoint_id for endpoint_id, filters in endpoints if matches(filters, event.type)]
            if wanting:
                body = _body(event.type, event.id, event.subject, event.time, event.data)
                outgoing += [Outgoing(each, event.id, event.type, event.subject, body) for each in wanting]
        await enqueue(tx, outgoing)
        return len(outgoing)

    enqueued = await databases.run(tenant_id, work)
    ENQUEUED.labels(tenant=str(tenant_id)).inc(enqueued)
    return enqueued


def _body(event_type: str, event_id: UUID, subject: str, time: datetime, data: dict[str, Any]) -> str:
    return body_of(event_type, event_id=str(event_id), subject=subject, time=time, data=data).decode()


async def enqueue(tx: TenantTransaction, outgoing: Sequence[Outgoing]) -> list[tuple[UUID, int]]:
    """Number and enqueue messages in a transaction, and return the id and sequence number of each.

    The counters stay locked until the transaction ends, so a number is used if, and only if, its message is
    committed, and numbers of one endpoint are committed in order.
    """
    if not outgoing:
        return []
    endpoint_ids = sorted({message.endpoint_id for message in outgoing})
    sequences: dict[UUID, int] = dict(await _locked_sequences(tx, endpoint_ids))
    numbered = []
    for message in outgoing:
        sequences[message.endpoint_id] += 1
        numbered.append((new_id(), sequences[message.endpoint_id]))
    await tx.execute(
        QUERIES["insert_messages"],
        {
            "message_ids": [message_id for message_id, _ in numbered],
            "endpoint_ids": [message.endpoint_id for message in outgoing],
            "sequences": [sequence for _, sequence in numbered],
            "event_ids": [message.event_id for message in outgoing],
            "event_types": [message.event_type for message in outgoing],
            "subjects": [message.subject for message in outgoing],
            "bodies": [message.body for message in outgoing],
        },
    )
    await tx.execute(
        QUERIES["advance_sequences"],
        {"endpoint_ids": endpoint_ids, "last_sequences": [sequences[each] for each in endpoint_ids]},
    )
    return numbered


async def _locked_sequences(tx: TenantTransaction, endpoint_ids: list[UUID]) -> list[tuple[UUID, int]]:
    rows = await tx.fetch_all(QUERIES["lock_sequences"], {"endpoint_ids": endpoint_ids})
    return [(endpoint_id, last_sequence) for endpoint_id, last_sequence in rows]
