"""PostgreSQL: connections, named queries in .sql files, migrations, and which errors are worth a retry."""

from bezant.foundation.database.connecting import connection_parameters
from bezant.foundation.database.queries import Queries, load_queries
from bezant.foundation.database.transient import is_transient

__all__ = ["Queries", "connection_parameters", "is_transient", "load_queries"]
