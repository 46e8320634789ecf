"""Events on `payment.events`."""

from bezant.contracts.events import PAYMENT_EVENTS, Event
from bezant.contracts.payment_events import PaymentEvent, PaymentRescored
from bezant.services.payment.domain.payments import Action, ActionKind, Payment


def payment_event(payment: Payment, *, actor: str, action: Action | None = None) -> Event:
    """Return the event that says what the payment has become; a refund's is `payment.refunded`, partial or not."""
    refunded = action is not None and action.kind is ActionKind.REFUND
    return Event(
        type="payment.refunded" if refunded else f"payment.{payment.status.value}",
        topic=PAYMENT_EVENTS,
        subject=str(payment.id),
        actor=actor,
        data=PaymentEvent(
            payment_id=payment.id,
            status=payment.status.value,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            captured_minor=payment.captured_minor,
            refunded_minor=payment.refunded_minor,
            source_account_id=payment.source_account_id,
            destination_account_id=payment.destination_account_id,
            version=payment.version,
            reference=payment.reference,
            reason_code=payment.reason_code,
            risk_score=payment.risk.get("score"),
            risk_reasons=payment.risk.get("reasons", []),
            action_id=action.id if action else None,
            action_amount_minor=action.amount_minor if action else None,
            created_at=payment.created_at,
        ),
    )


def refund_failed_event(payment: Payment, action: Action) -> Event:
    """Return the event of a refund that the ledger refused."""
    event = payment_event(payment, actor=action.actor, action=action)
    return Event(
        type="payment.refund_failed", topic=PAYMENT_EVENTS, subject=event.subject, data=event.data, actor=event.actor
    )


def rescored_event(payment: Payment, *, decision: str, score: int, reasons: list[str]) -> Event:
    """Return the event of a score that came late."""
    return Event(
        type="payment.rescored",
        topic=PAYMENT_EVENTS,
        subject=str(payment.id),
        actor="service:payment",
        data=PaymentRescored(payment_id=payment.id, decision=decision, score=score, reasons=reasons),
    )
