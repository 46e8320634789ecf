"""PostgreSQL statements of the notification service."""

from typing import Final

from bezant.foundation.database import load_queries

QUERIES: Final = load_queries("bezant.services.notification.storage", "queries.sql")
