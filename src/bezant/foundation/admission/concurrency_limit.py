"""How many units of work may be in flight at once: as many as leave within the target time.

By Little's law the mean time in a system is what is in it divided by what leaves it a second (J. D. C. Little, "A Proof
for the Queuing Formula L = λW", 1961). Under load nearly all of that time is spent in queues: for the tenant's next
group, for a connection, for the processor. So the limit is the throughput just measured times the time that a request
may take. It rises while requests leave sooner than that and falls when they stay longer.

Limiters that compare latency with that of an idle system (TCP Vegas, Netflix's gradient) do not fit: groups grow under
load, which raises latency and throughput together, long before the capacity is reached.
"""

from typing import Final

_WINDOW_SECONDS: Final = 0.25
_SMOOTHING: Final = 0.5
"""The weight of the last window beside those before it."""
_MOST_GROWTH: Final = 1.5
_MOST_SHRINKING: Final = 0.8
"""By how much one window may move the limit: a group that ends just after a window must not empty the process."""
_RECOVERY: Final = 0.2
"""The part of the way back to its start that the limit goes in a window in which nobody met it."""


class ConcurrencyLimit:
    """The limit, adjusted every quarter of a second. Times are seconds of one monotonic clock."""

    def __init__(self, *, target_seconds: float, smallest: int, largest: int, initial: int) -> None:
        """`target_seconds`: how long an admitted request may take when the process is at its limit."""
        self._target_seconds = target_seconds
        self._smallest = smallest
        self._largest = largest
        self._initial = float(min(max(initial, smallest), largest))
        self._value = self._initial
        self._rate = 0.0
        self._window_began: float | None = None
        self._finished_units = 0
        self._met = False
        self.met_at: float | None = None
        """When somebody last had to wait, or was refused, because of the limit."""

    @property
    def value(self) -> int:
        """Units that may be in flight, at least 1."""
        return int(self._value)

    def finished(self, units: int, now: float) -> None:
        """Count units that left."""
        self.advance(now)
        self._finished_units += units

    def met(self, now: float) -> None:
        """Note that somebody had to wait, or was refused, because of the limit."""
        self.advance(now)
        self._met = True
        self.met_at = now

    def advance(self, now: float) -> None:
        """End the window if its time is over."""
        if self._window_began is None:
            self._window_began = now
            return
        elapsed = now - self._window_began
        if elapsed < _WINDOW_SECONDS:
            return
        # after a long window nobody was there for most of it
        if self._met and elapsed < 2 * _WINDOW_SECONDS:
            self._follow(self._finished_units / elapsed)
        else:
            # what an idle process finishes says nothing about what it could
            self._rate = 0.0
            windows = min(elapsed / _WINDOW_SECONDS, 100.0)
            self._value = max(self._value, self._initial + (self._value - self._initial) * (1 - _RECOVERY) ** windows)
        self._window_began = now
        self._finished_units = 0
        self._met = False

    def _follow(self, rate: float) -> None:
        self._rate = rate if not self._rate else self._rate + _SMOOTHING * (rate - self._rate)
        wanted = self._rate * self._target_seconds
        wanted = min(max(wanted, self._value * _MOST_SHRINKING), self._value * _MOST_GROWTH)
        self._value = min(max(wanted, float(self._smallest)), float(self._largest))
