"""Plans made on empty tables must be good on full ones: PostgreSQL keeps them for as long as the connection lives."""

import re

import psycopg
import pytest

from bezant.foundation.tenancy.outbox import with_outbox
from bezant.services.transaction.storage import HISTORY_QUERIES, QUERIES

from .conftest import LedgerDatabase

ALL = {**QUERIES, **HISTORY_QUERIES}
WHOLE_TABLE = {"closing_state"}
"""Questions that are about all rows, and rare."""


@pytest.mark.parametrize("name", sorted(set(ALL) - WHOLE_TABLE))
async def test_a_plan_made_on_empty_tables_goes_by_index(ledger: LedgerDatabase, name: str) -> None:
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found.group(1), len(numbers) + 1)}"

    query = ALL[name]
    announcing = with_outbox("ledger", query) if "/* outbox of " in query else query
    statement = re.sub(r"%\((\w+)\)[sb]", numbered, announcing)
    async with await psycopg.AsyncConnection.connect(ledger.superuser_dsn) as connection:
        cursor = await connection.execute(f"EXPLAIN (GENERIC_PLAN) {statement}".encode())
        plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert "Seq Scan" not in plan, plan
