"""When a message that was not taken is sent again.

The schedule is the one that the Standard Webhooks specification suggests
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Deliverability
and reliability"): ten attempts over about three days.
"""

from typing import Final

SCHEDULE_SECONDS: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""How long after the attempt before it each attempt is made; the first at once."""
JITTER: Final = 0.2
"""Delays vary by this share either way, so that what failed together is not sent again together."""


def delay_before_next_attempt(attempts_made: int, *, compression: float, chance: float) -> float | None:
    """Return the seconds to wait after a failed attempt, or None when that was the last.

    `attempts_made` counts the failed one. `compression` divides the schedule (1 for the real one), and `chance`
    is a number from 0 to 1 that places the delay within the jitter.
    """
    if attempts_made < 1:
        raise ValueError("the first attempt needs no delay")
    if attempts_made >= len(SCHEDULE_SECONDS):
        return None
    return SCHEDULE_SECONDS[attempts_made] / compression * (1 - JITTER + 2 * JITTER * chance)
