"""The events of the ledger, made from what was written."""

from bezant.contracts.events import TRANSFER_EVENTS, Event
from bezant.contracts.internal.ledger import Leg
from bezant.contracts.ledger_events import EVENT_OF_KIND, TransferRecorded
from bezant.services.transaction.domain.book import HOLD_STATE_AFTER, NewTransfer


def transfer_event(transfer: NewTransfer) -> Event:
    """Return the event that announces a transfer."""
    return Event(
        type=EVENT_OF_KIND[transfer.kind],
        topic=TRANSFER_EVENTS,
        subject=str(transfer.pending_id or transfer.id),
        actor=transfer.actor,
        # what resolves a hold follows it; every other transfer is an aggregate of its own
        opens=transfer.pending_id is None,
        data=TransferRecorded(
            transfer_id=transfer.id,
            kind=transfer.kind,
            currency=transfer.currency,
            amount_minor=transfer.amount_minor,
            legs=[
                Leg(entry.account_id, entry.direction, entry.amount_minor)
                for entry in transfer.entries
                if entry.phase != "released"
            ],
            origin=transfer.origin,
            created_at=transfer.created_at,
            pending_id=transfer.pending_id,
            reverses_id=transfer.reverses_id,
            batch_id=transfer.batch_id,
            hold_state=HOLD_STATE_AFTER.get(transfer.kind),
            expires_at=transfer.expires_at,
            reference=transfer.reference,
            metadata=transfer.metadata,
        ),
    )
