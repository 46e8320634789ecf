"""What follows from an attempt."""

from typing import NamedTuple

from bezant.services.notification.domain.messages import DeliveryStatus, is_success
from bezant.services.notification.domain.schedule import delay_before_next_attempt


class Outcome(NamedTuple):
    """The state a delivery takes after an attempt; `delay_seconds` only while it stays pending."""

    status: DeliveryStatus
    delay_seconds: float | None = None


def outcome_of(
    attempts_made: int,
    status_code: int | None,
    *,
    compression: float,
    chance: float,
    retry_after_seconds: float | None = None,
    permanent: bool = False,
) -> Outcome:
    """Return what becomes of a delivery whose attempt was answered with a status code, or not at all (None).

    `retry_after_seconds` is what the receiver asked for: the next attempt is made no earlier. A `permanent`
    failure (an address that a mail server refuses for good) is not tried again.
    """
    if status_code is not None and is_success(status_code):
        return Outcome(DeliveryStatus.DELIVERED)
    delay = None if permanent else delay_before_next_attempt(attempts_made, compression=compression, chance=chance)
    if delay is None:
        return Outcome(DeliveryStatus.DEAD)
    return Outcome(DeliveryStatus.PENDING, max(delay, retry_after_seconds or 0.0))
