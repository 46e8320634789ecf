"""What follows from an attempt."""

from typing import NamedTuple

from bezant.services.notification.domain.messages import DeliveryStatus, is_success
from bezant.services.notification.domain.schedule import delay_before_next_attempt


class Outcome(NamedTuple):
    """The state a delivery takes after an attempt; `delay_seconds` only while it stays pending."""

    status: DeliveryStatus
    delay_seconds: float | None = None


def outcome_of(attempts_made: int, status_code: int | None, *, compression: float, chance: float) -> Outcome:
    """Return what becomes of a delivery whose attempt was answered with a status code, or not at all (None)."""
    if status_code is not None and is_success(status_code):
        return Outcome(DeliveryStatus.DELIVERED)
    delay = delay_before_next_attempt(attempts_made, compression=compression, chance=chance)
    return Outcome(DeliveryStatus.DEAD) if delay is None else Outcome(DeliveryStatus.PENDING, delay)
