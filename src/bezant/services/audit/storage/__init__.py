"""PostgreSQL statements of the audit service."""

from typing import Final

from bezant.foundation.database import load_queries

QUERIES: Final = load_queries("bezant.services.audit.storage", "queries.sql")
