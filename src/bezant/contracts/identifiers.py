"""Identifiers are UUIDv7 (RFC 9562 §5.7), made in Python: PostgreSQL 16 and 17 cannot make them."""

from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """Return a fresh time-ordered identifier; ids made later by one process sort later."""
    return UUID(bytes=uuid_utils.uuid7().bytes)
