"""Identifiers are UUIDv7 (RFC 9562 §5.7), made in Python: PostgreSQL 16 and 17 cannot make them."""

from datetime import datetime
from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """Return a fresh time-ordered identifier; ids made later by one process sort later."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def first_id_at(moment: datetime) -> UUID:
    """Return what sorts before every identifier made at that millisecond or later, and after all earlier ones."""
    milliseconds = max(0, min(int(moment.timestamp() * 1000), 2**48 - 1))
    return UUID(int=milliseconds << 80)
