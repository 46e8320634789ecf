"""Plans made on empty tables must be good on full ones: PostgreSQL keeps them for as long as the connection lives."""

import re
from uuid import UUID

import pytest

from bezant.services.audit.storage import QUERIES

from ..stores.fixtures import Stores

SMALL = {"tree_state", "retention", "witnesses"}
"""Tables that hold one row, or a row for each change that a person makes."""
RARE = {"erase_expired_values", "erase_personal_values", "erase_values_naming_accounts", "list_entries"}
"""Asked by a person, with filters that may be absent: planned for what was asked, not once for all."""


@pytest.mark.parametrize("name", sorted(set(QUERIES) - RARE))
async def test_a_plan_made_on_empty_tables_goes_by_index(stores: Stores, tenant: UUID, name: str) -> None:
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found.group(1), len(numbers) + 1)}"

    statement = re.sub(r"%\((\w+)\)[sb]", numbered, QUERIES[name])
    rows = await stores.as_superuser(tenant, f"EXPLAIN (GENERIC_PLAN) {statement}")
    plan = "\n".join(row[0] for row in rows)
    scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
    assert scanned <= SMALL, plan
