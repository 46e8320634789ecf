"""Parameters of a PostgreSQL connection, the same everywhere: region, TLS mode, timeouts, keep-alive."""

from typing import Any

from bezant.foundation.database.regional import host_in_region_of
from bezant.foundation.settings import Settings


def connection_parameters(
    settings: Settings, *, host: str, port: int, dbname: str, user: str, password: str, application: str
) -> dict[str, Any]:
    """Return keyword arguments for `psycopg.AsyncConnection.connect`, to the database in this region.

    `tcp_user_timeout` and the keep-alives make a peer that drops packets a broken connection within seconds
    (https://www.postgresql.org/docs/16/libpq-connect.html#LIBPQ-PARAMKEYWORDS).
    """
    statement_ms = int(settings.statement_timeout_seconds * 1000)
    parameters: dict[str, Any] = {
        "host": host_in_region_of(settings.control_database_host, host),
        "port": port,
        "dbname": dbname,
        "user": user,
        "password": password,
        "application_name": application,
        "connect_timeout": settings.connect_timeout_seconds,
        "tcp_user_timeout": 5000,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "sslmode": settings.database_sslmode,
        "options": (
            f"-c statement_timeout={statement_ms} -c idle_in_transaction_session_timeout={statement_ms} "
            "-c lock_timeout=4000 -c TimeZone=UTC -c jit=off"
        ),
    }
    if settings.database_sslrootcert:
        parameters["sslrootcert"] = settings.database_sslrootcert
    return parameters
