"""How many requests an endpoint gets at once: more while it answers, fewer while it does not.

Additive increase and multiplicative decrease, as TCP does (RFC 5681 §3.1): a fast receiver is soon used in
full, and a dead one is down to one request at a time after a few failures, so that it takes nothing from others.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Room:
    """The present limit of one endpoint and how much of it is in use."""

    limit: int
    most: int
    in_flight: int = 0

    @property
    def free(self) -> int:
        """How many more requests may be started now."""
        return max(0, self.limit - self.in_flight)

    def succeeded(self) -> None:
        """The endpoint took a message."""
        self.limit = min(self.most, self.limit + 1)

    def failed(self) -> None:
        """The endpoint did not take a message."""
        self.limit = max(1, self.limit // 2)
