"""Data of the events on `transfer.events`, one per transfer, in the order in which a hold and its end happened.

The event's subject is the transfer's id, and for the end of a hold (`transfer.posted` with `pending_id`,
`transfer.voided`, `transfer.expired`) the hold's, so that a hold and its end stay in order.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from bezant.contracts.internal.ledger import HoldState, Leg, Origin, TransferKind

TRANSFER_POSTED: Final = "transfer.posted"
TRANSFER_PENDING: Final = "transfer.pending"
TRANSFER_VOIDED: Final = "transfer.voided"
TRANSFER_EXPIRED: Final = "transfer.expired"
TRANSFER_REVERSED: Final = "transfer.reversed"

EVENT_OF_KIND: Final[dict[TransferKind, str]] = {
    "transfer": TRANSFER_POSTED,
    "pending": TRANSFER_PENDING,
    "post": TRANSFER_POSTED,
    "void": TRANSFER_VOIDED,
    "expire": TRANSFER_EXPIRED,
    "reversal": TRANSFER_REVERSED,
}


class TransferRecorded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transfer as it was written. `amount_minor` in minor units of `currency`.

    `legs` are the lines it posted or holds; none for a void or an expiry, which release the lines of
    `pending_id`. `origin` is `payment` for a payment's transfers, whose ids are the payment's, the capture's
    or the refund's.
    """

    transfer_id: UUID
    kind: TransferKind
    currency: str
    amount_minor: int
    legs: list[Leg]
    origin: Origin
    created_at: datetime
    pending_id: UUID | None = None
    reverses_id: UUID | None = None
    batch_id: UUID | None = None
    hold_state: HoldState | None = None
    expires_at: datetime | None = None
    reference: str = ""
    metadata: dict[str, str] = {}
