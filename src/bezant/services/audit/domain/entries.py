"""Entries as readers see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A personal value of an entry: disclosed with its salt, or erased."""

    pointer: str
    erased: bool
    value: Any = None
    salt: bytes | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log; `leaf` is exactly what is hashed."""

    position: int
    id: UUID
    type: str
    topic: str
    subject: str
    actor: str
    occurred_at: datetime
    recorded_at: datetime
    leaf: str
    leaf_hash: bytes
    personal_values: list[ShownValue]


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are asked for; None lets everything through."""

    type: str | None = None
    subject: str | None = None
    actor: str | None = None
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None
