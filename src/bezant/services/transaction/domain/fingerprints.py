"""A command's fingerprint: the same id with another fingerprint is another request, and refused."""

import hashlib

import msgspec

from bezant.contracts.internal.ledger import CreateTransfer, PostPending, VoidPending
from bezant.services.transaction.domain.book import ExpireHold, Submitted

_encoder = msgspec.json.Encoder(order="deterministic")


def fingerprint(submitted: Submitted) -> bytes:
    """Return 16 bytes (BLAKE2b) over what a command says, without the id and without who says it."""
    command = submitted.command
    content: tuple[object, ...]
    if isinstance(command, CreateTransfer):
        content = (
            "create_transfer",
            command.currency,
            command.legs,
            command.pending,
            command.expires_at,
            command.refund,
            command.reference,
            command.metadata,
        )
    elif isinstance(command, PostPending):
        content = (
            "post_pending",
            command.pending_id,
            command.amount_minor,
            command.currency,
            command.legs,
            command.reference,
            command.metadata,
        )
    elif isinstance(command, ExpireHold):
        content = ("expire", command.pending_id)
    elif isinstance(command, VoidPending):
        content = ("void_pending", command.pending_id, command.reference, command.metadata)
    else:
        content = ("reverse", command.transfer_id, command.reference, command.metadata)
    return hashlib.blake2b(_encoder.encode((submitted.origin, content)), digest_size=16).digest()
