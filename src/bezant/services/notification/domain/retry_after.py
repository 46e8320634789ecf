"""The Retry-After header of an answer (RFC 9110 §10.2.3): seconds, or a date."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bezant.services.notification.domain.circuit import LONGEST_RETRY_AFTER_SECONDS


def retry_after_seconds(header: str | None, *, now: datetime) -> float | None:
    """Return how long the receiver asks to wait, at most a day; None if it does not, or says it unreadably."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # Ten digits are three centuries: longer numbers need not be computed.
        return min(float(text[:10]), LONGEST_RETRY_AFTER_SECONDS)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    return min(max(0.0, seconds.total_seconds()), LONGEST_RETRY_AFTER_SECONDS)
