"""Velocity: how much an account, a device or an address did lately.

Counters are kept in buckets, a twelfth of their window each, so that memory per entity is constant. A window
is its twelve full buckets and the current one: "1m" covers the last 60 to 65 seconds, "24h" the last 24 to 26
hours. An entity's numbers always include the payment that is being judged.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from bezant.contracts.currencies import CURRENCIES


class Window(NamedTuple):
    """A sliding window, counted in twelfths."""

    name: str
    length_ms: int
    bucket_ms: int


WINDOWS: Final = (
    Window("1m", 60_000, 5_000),
    Window("1h", 3_600_000, 300_000),
    Window("24h", 86_400_000, 7_200_000),
)


class EntityKind(StrEnum):
    """Whose velocity is counted."""

    SOURCE = "s"
    """The paying account; its partners are the accounts it pays."""
    DEVICE = "d"
    """The payer's device; its partners are the accounts that pay from it."""
    IP = "i"
    """The payer's address; its partners are the accounts that pay from it."""


class EntityVelocity(msgspec.Struct, frozen=True, array_like=True):
    """One entity's recent activity; amounts in major units of the payment's currency."""

    count_1m: int = 0
    amount_1m: float = 0.0
    count_1h: int = 0
    amount_1h: float = 0.0
    count_24h: int = 0
    amount_24h: float = 0.0
    partners_24h: int = 0
    partner_is_new: bool = False
    """The partner of this payment was never seen with this entity before (as far as the counters remember)."""


NOTHING_SEEN: Final = EntityVelocity()


@dataclass(frozen=True, slots=True)
class PaymentVelocity:
    """The velocity of everyone who takes part in one payment."""

    source: EntityVelocity = NOTHING_SEEN
    device: EntityVelocity = NOTHING_SEEN
    ip: EntityVelocity = NOTHING_SEEN


@dataclass(frozen=True, slots=True)
class Observation:
    """A payment as the counters of one entity see it."""

    kind: EntityKind
    entity: str
    partner: str
    payment_id: UUID
    at_ms: int
    """When the payment was created, in milliseconds since 1970."""
    amount_major: float
    counts: bool
    """False to look without counting: dry runs, and payments older than the counters remember ids."""


def amount_major(amount_minor: int, currency: str) -> float:
    """Return the amount in major units, e.g. 1250 USD gives 12.5 and 1250 JPY gives 1250.

    A float is good enough for comparing with a threshold; no money is computed from it.
    """
    return float(amount_minor / 10 ** CURRENCIES[currency].exponent)
