"""Plans made on empty tables must be good on full ones: PostgreSQL keeps them for as long as the connection lives."""

import re

import psycopg
import pytest

from bezant.services.account.storage import QUERIES

from .conftest import Accounts

BY_ANALYSIS = {"accounts_page", "unfinished"}
"""A list for people and a rare look at what a crash left: the first ANALYZE mends their plans soon enough."""


@pytest.mark.parametrize("name", sorted(set(QUERIES) - BY_ANALYSIS))
async def test_a_plan_made_on_empty_tables_goes_by_index(accounts: Accounts, name: str) -> None:
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found.group(1), len(numbers) + 1)}"

    statement = re.sub(r"%\((\w+)\)[sb]", numbered, QUERIES[name])
    async with await psycopg.AsyncConnection.connect(accounts.ledger.superuser_dsn) as connection:
        cursor = await connection.execute(f"EXPLAIN (GENERIC_PLAN) {statement}".encode())
        plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert "Seq Scan" not in plan, plan
