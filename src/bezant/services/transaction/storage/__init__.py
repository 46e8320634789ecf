"""The ledger's tables: named queries in `queries.sql`, migrations, and the way between rows and the domain."""

from typing import Final

from bezant.foundation.database import load_queries

QUERIES: Final = load_queries("bezant.services.transaction.storage", "queries.sql")
CHECK_QUERIES: Final = load_queries("bezant.services.transaction.storage", "check_queries.sql")
HISTORY_QUERIES: Final = load_queries("bezant.services.transaction.storage", "history_queries.sql")
