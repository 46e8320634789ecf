"""Plans made on empty tables must be good on full ones: PostgreSQL keeps them for as long as the connection lives."""

import re
from uuid import UUID

import pytest

from bezant.foundation.tenancy.outbox import with_outbox
from bezant.services.payment.storage.queries import QUERIES

from ..stores.fixtures import Stores

FRAGMENTS = {"payment_columns", "action_columns"}
"""Beginnings of statements, completed where they are used."""
RARE = {"next_expiry", "unscored_payments"}
"""Asked by due work, at most every few seconds, of partial indexes that hold few rows."""


@pytest.mark.parametrize("name", sorted(set(QUERIES) - FRAGMENTS - RARE))
async def test_a_plan_made_on_empty_tables_goes_by_index(stores: Stores, tenant: UUID, name: str) -> None:
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found.group(1), len(numbers) + 1)}"

    query = QUERIES[name]
    announcing = with_outbox("payment", query) if "/* outbox of " in query else query
    statement = re.sub(r"%\((\w+)\)[sb]", numbered, announcing)
    rows = await stores.as_superuser(tenant, f"EXPLAIN (GENERIC_PLAN) {statement}")
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan, plan
