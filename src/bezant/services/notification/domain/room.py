"""How many requests an endpoint gets at once: more while it answers, fewer while it does not.

Additive increase and multiplicative decrease, as TCP does (RFC 5681 §3.1): a fast receiver is soon used in
full, and a dead one is down to one request at a time after a few failures, so that it takes nothing from others.
"""

from dataclasses import dataclass


def share_of(free: int, *, used: int, most: int) -> int:
    """Return how many of the process's free requests one tenant may start now.

    Half of what is free, and never more than `most` in all: however slow the receivers of some tenants are,
    there is something left for the next one.
    """
    return max(0, min((free + 1) // 2, most - used))


@dataclass(slots=True)
class Room:
    """The present limit of one endpoint and how much of it is in use."""

    limit: int
    most: int
    in_flight: int = 0
    failing: bool = False
    """Whether it has failed since it last took a message."""

    @property
    def free(self) -> int:
        """How many more requests may be started now."""
        return max(0, self.limit - self.in_flight)

    def succeeded(self, *, quickly: bool) -> None:
        """The endpoint took a message. One that takes its time gets no more at once: it would hold what others need."""
        if quickly:
            self.limit = min(self.most, self.limit + 1)

    def failed(self) -> None:
        """The endpoint did not take a message."""
        self.failing = True
        self.limit = max(1, self.limit // 2)
