"""The accounts' table: named queries in `queries.sql`, migrations, and the way from rows to the domain."""

from typing import Any, Final

from bezant.foundation.database import load_queries
from bezant.services.account.domain.account import Account
from bezant.services.account.domain.changes import change_from_json

QUERIES: Final = load_queries("bezant.services.account.storage", "queries.sql")
SCHEMA: Final = "account"


def account_from_row(row: tuple[Any, ...]) -> Account:
    """Return the account of a row that has all columns of the query `account`."""
    return Account(
        id=row[0],
        name=row[1],
        account_type=row[2],
        currency=row[3],
        status=row[4],
        overdraft_limit_minor=row[5],
        daily_limit_minor=row[6],
        metadata=row[7],
        revision=row[8],
        change=None if row[9] is None else change_from_json(row[9]),
        created_by=row[10],
        created_at=row[11],
        updated_at=row[12],
    )
