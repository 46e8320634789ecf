"""Rows of the payment schema as domain objects."""

from typing import Any
from uuid import UUID

from bezant.services.payment.domain.payments import Action, ActionKind, Payment, Split, Status


def splits_from_json(document: list[dict[str, Any]] | None) -> list[Split] | None:
    """Return the splits of a stored document."""
    if document is None:
        return None
    return [Split(UUID(split["account_id"]), split["amount_minor"]) for split in document]


def splits_to_json(splits: list[Split] | None) -> list[dict[str, Any]] | None:
    """Return the document that is stored for the splits."""
    if splits is None:
        return None
    return [{"account_id": str(split.account_id), "amount_minor": split.amount_minor} for split in splits]


def payment_from_row(row: tuple[Any, ...]) -> Payment:
    """Return the payment of a row of `payment_columns`."""
    return Payment(
        id=row[0],
        source_account_id=row[1],
        destination_account_id=row[2],
        amount_minor=row[3],
        currency=row[4],
        capture=row[5],
        splits=splits_from_json(row[6]) or [],
        reference=row[7],
        metadata=row[8],
        context=row[9],
        status=Status(row[10]),
        idempotency_key=row[11],
        actor=row[12],
        created_at=row[13],
        updated_at=row[14],
        reason_code=row[15],
        risk=row[16],
        unscored_decision=row[17],
        captured_minor=row[18],
        refunded_minor=row[19],
        refunding_minor=row[20],
        attempt=row[21],
        version=row[22],
        expires_at=row[23],
    )


def action_from_row(row: tuple[Any, ...]) -> Action:
    """Return the action of a row of `action_columns`."""
    return Action(
        id=row[0],
        payment_id=row[1],
        kind=ActionKind(row[2]),
        amount_minor=row[3],
        splits=splits_from_json(row[4]),
        reference=row[5],
        actor=row[6],
        created_at=row[7],
        idempotency_key=row[8],
        status=row[9],
        reason_code=row[10],
        attempt=row[11],
        finished_at=row[12],
    )
