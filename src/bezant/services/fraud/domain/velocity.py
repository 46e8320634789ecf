"""Velocity: how much an account, a device, an address or a pair of accounts did lately.

Counters are kept in buckets, a twelfth of their window each, so that memory per entity is constant. A window
is its twelve full buckets and the current one: "1m" covers the last 60 to 65 seconds, "24h" the last 24 to 26
hours. An entity's numbers always include the payment that is being judged; its history (`earlier_...`) never does.
"""

import hashlib
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
    Window("7d", 604_800_000, 50_400_000),
)


class EntityKind(StrEnum):
    """Whose velocity is counted."""

    SOURCE = "s"
    """The paying account; its partners are the accounts it pays."""
    DESTINATION = "t"
    """The paid account; its partners are the accounts that pay it."""
    PAIR = "p"
    """The paying and the paid account together; it has no partners."""
    DEVICE = "d"
    """The payer's device; its partners are the accounts that pay from it."""
    IP = "i"
    """The payer's address; its partners are the accounts that pay from it."""


class EntityVelocity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entity's recent activity; amounts in major units of the payment's currency."""

    count_1m: int = 0
    amount_1m: float = 0.0
    count_1h: int = 0
    amount_1h: float = 0.0
    count_24h: int = 0
    amount_24h: float = 0.0
    count_7d: int = 0
    amount_7d: float = 0.0
    partners_1m: int = 0
    """Distinct partners within the window; 0 for a pair."""
    partners_1h: int = 0
    partners_24h: int = 0
    partners_7d: int = 0
    age_ms: int = 0
    """Since the entity was first seen, as far as the counters remember; 0 when this payment is its first."""
    earlier_count: int = 0
    """Payments before this one, as far as the counters remember."""
    earlier_amount: float = 0.0
    earlier_largest: float = 0.0


NOTHING_SEEN: Final = EntityVelocity()


class PaymentVelocity(msgspec.Struct, frozen=True, gc=False):
    """The velocity of everyone who takes part in one payment."""

    source: EntityVelocity = NOTHING_SEEN
    destination: EntityVelocity = NOTHING_SEEN
    pair: EntityVelocity = NOTHING_SEEN
    device: EntityVelocity = NOTHING_SEEN
    ip: EntityVelocity = NOTHING_SEEN


class Observed(NamedTuple):
    """A payment to be counted for everyone who takes part in it."""

    payment_id: bytes
    """Whoever asks again under the same id is not counted again."""
    source: bytes
    """Digests, see `entity_digest`."""
    destination: bytes
    device: bytes | None
    ip: bytes | None
    at_ms: int
    """When the payment was created, in milliseconds since 1970."""
    amount_major: float
    counts: bool
    """False to look without counting: dry runs, and payments older than the counters remember ids."""
    payments: int = 1
    """How many payments this stands for; more than one when history is counted anew."""
    first_ms: int | None = None
    """When the first of them was created, if it stands for several."""


DIGEST_BYTES: Final = 10


def entity_digest(tenant_id: UUID, entity: bytes) -> bytes:
    """Return the pseudonym under which counters and stored assessments know an entity of a tenant."""
    return hashlib.blake2b(entity, digest_size=DIGEST_BYTES, key=tenant_id.bytes).digest()


def amount_major(amount_minor: int, currency: str) -> float:
    """Return the amount in major units, e.g. 1250 USD gives 12.5 and 1250 JPY gives 1250.

    A float is good enough for comparing with a threshold; no money is computed from it.
    """
    return float(amount_minor / 10 ** CURRENCIES[currency].exponent)
