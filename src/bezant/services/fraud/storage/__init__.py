"""PostgreSQL statements and the Valkey script of the fraud service."""

from typing import Final

from bezant.foundation.database import load_queries

QUERIES: Final = load_queries("bezant.services.fraud.storage", "queries.sql")
