"""What the receiver sandbox does to deliveries, so that a tenant sees its own handler under every promise's edge.

Webhooks are delivered at least once and may overtake each other; answers get lost and receivers fail. Each of these
happens rarely by itself; here it happens by dice, from a seed, so that a run can be repeated.
"""

import random
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """How a request is spoiled."""

    REFUSED = "answered 503 without taking it"
    BUSY = "answered 429 with Retry-After: 1"
    CUT = "closed the connection without an answer"
    LOST_ANSWER = "took it, then answered 500"


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one request: it is held back, handed on so many times, and answered or not."""

    fault: Fault | None = None
    hold_seconds: float = 0.0
    """Others overtake it meanwhile."""
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Chances:
    """How often each thing happens, from 0 to 1."""

    fault: float = 0.12
    hold: float = 0.15
    duplicate: float = 0.08
    longest_hold_seconds: float = 1.5


class Chaos:
    """Throws the dice. A message is spoiled at most `most_faults` times: retries grow long, and a run should end."""

    def __init__(self, seed: int, chances: Chances | None = None, *, most_faults: int = 2) -> None:
        self.seed = seed
        self._dice = random.Random(seed)  # noqa: S311 - not a secret: it is printed
        self._chances = chances or Chances()
        self._most_faults = most_faults
        self._faults: dict[str, int] = {}

    def plan(self, message_id: str) -> Plan:
        """Return what happens to this request of a message."""
        dice, chances = self._dice, self._chances
        fault = None
        if dice.random() < chances.fault and self._faults.get(message_id, 0) < self._most_faults:
            self._faults[message_id] = self._faults.get(message_id, 0) + 1
            fault = dice.choice(list(Fault))
        hold = dice.uniform(0.05, chances.longest_hold_seconds) if dice.random() < chances.hold else 0.0
        copies = 2 if dice.random() < chances.duplicate else 1
        return Plan(fault, hold, copies)
