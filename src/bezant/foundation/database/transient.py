"""Which database errors mean "try the same work again on another connection"."""

from psycopg import OperationalError, errors
from psycopg_pool import PoolTimeout

_TRANSIENT = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    # A writer that has become a reader: Aurora failed over, the endpoint points elsewhere by now.
    errors.ReadOnlySqlTransaction,
)


def is_transient(error: BaseException) -> bool:
    """Return whether idempotent work that failed with this error may succeed when it is run again."""
    if isinstance(error, PoolTimeout):
        return False
    # A lost connection is an OperationalError without an SQLSTATE, or one of the classes 08 and 57P.
    return isinstance(error, _TRANSIENT) or is_connection_loss(error)


def is_connection_loss(error: BaseException) -> bool:
    """Return whether the error says that the connection or the server went away."""
    if not isinstance(error, OperationalError):
        return False
    state = error.sqlstate
    return state is None or state.startswith(("08", "57P", "25006"))


def is_bad_credential(error: BaseException) -> bool:
    """Return whether the server refused our password or role: the credential was rotated."""
    if isinstance(error, errors.InvalidPassword | errors.InvalidAuthorizationSpecification):
        return True
    return isinstance(error, OperationalError) and "authentication failed" in str(error)
