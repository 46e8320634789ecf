"""The moment until which somebody waits for the work in hand; it goes along with every internal call.

The edge sets it when a request arrives. A call to another service carries what is left of it, as a duration, since
two machines' clocks differ (as gRPC's `grpc-timeout` does: https://grpc.io/docs/guides/deadlines/). Work whose deadline
has passed before it began is dropped; what has begun is carried to its end. Work without a deadline (due work, events)
is never dropped.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bezant.contracts.problems import DeadlinePassed

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def current_deadline() -> float | None:
    """Return the deadline of the work in hand on the monotonic clock, or None if nobody waits for it."""
    return _deadline.get()


def set_deadline(at: float | None) -> None:
    """Set the deadline for the rest of this task."""
    _deadline.set(at)


@contextmanager
def deadline(at: float | None) -> Iterator[None]:
    """Set the deadline for a block."""
    token = _deadline.set(at)
    try:
        yield
    finally:
        _deadline.reset(token)


def has_passed(at: float | None) -> bool:
    """Whether nobody waits any more."""
    return at is not None and time.monotonic() >= at


def remaining_milliseconds(at: float | None) -> int | None:
    """Return what is left until the deadline, at least 0; None without one."""
    return None if at is None else max(0, int((at - time.monotonic()) * 1000))


def deadline_in(milliseconds: int | None) -> float | None:
    """Return the deadline that comes after so many milliseconds from now; None without one."""
    return None if milliseconds is None else time.monotonic() + milliseconds / 1000


def passed() -> DeadlinePassed:
    """Return the problem for work that was dropped before it began."""
    return DeadlinePassed(
        "nobody waited for this any more when its turn came, so that it was not begun; send the request again with the "
        "same Idempotency-Key",
        retry_after_seconds=1,
    )
