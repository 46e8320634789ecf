"""The JSON that the API answers for payments and refunds; stored with the key, so that repetitions get the same."""

from typing import Any

import msgspec

from bezant.services.payment.domain.payments import Action, Payment
from bezant.services.payment.storage.rows import splits_to_json

_encoder = msgspec.json.Encoder()


def payment_document(payment: Payment) -> dict[str, Any]:
    """Return a payment as the API shows it; the schema is `api.schemas.PaymentAnswer`."""
    currency = payment.currency
    risk, late = payment.risk, payment.risk.get("rescored", {})
    return {
        "id": payment.id,
        "status": payment.status.value,
        "amount": {"amount_minor": payment.amount_minor, "currency": currency},
        "captured": {"amount_minor": payment.captured_minor, "currency": currency},
        "refunded": {"amount_minor": payment.refunded_minor, "currency": currency},
        "source_account_id": payment.source_account_id,
        "destination_account_id": payment.destination_account_id,
        "splits": splits_to_json(payment.splits),
        "capture": payment.capture,
        "reference": payment.reference,
        "metadata": payment.metadata,
        "reason_code": payment.reason_code,
        "risk": {
            "decision": risk.get("decision"),
            "score": late.get("score", risk.get("score")),
            "reasons": [*risk.get("reasons", []), *late.get("reasons", [])],
            "scored": risk.get("scored", False) or bool(late),
        },
        "expires_at": payment.expires_at if payment.status.value in ("authorized", "requires_review") else None,
        "created_at": payment.created_at,
        "updated_at": payment.updated_at,
    }


def refund_document(action: Action, payment: Payment) -> dict[str, Any]:
    """Return a refund as the API shows it; the schema is `api.schemas.RefundAnswer`."""
    return {
        "id": action.id,
        "payment_id": action.payment_id,
        "status": action.status,
        "amount": {"amount_minor": action.amount_minor, "currency": payment.currency},
        "reference": action.reference,
        "reason_code": action.reason_code,
        "created_at": action.created_at,
        "payment": payment_document(payment),
    }


def encode(document: dict[str, Any]) -> bytes:
    """Return the document's JSON."""
    return _encoder.encode(document)
