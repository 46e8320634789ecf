"""Plans made on empty tables must be good on full ones: PostgreSQL keeps them for as long as the connection lives."""

import re
from uuid import UUID

import pytest

from bezant.foundation.tenancy.outbox import with_outbox
from bezant.services.fraud.storage import QUERIES

from ..stores.fixtures import Stores

SMALL = {"rulesets", "shadow_ends", "settings"}
"""Tables that hold one row, or a row for each change that a person makes."""
RARE = {"list_cases"}
"""Asked by a person, with filters that may be absent: planned for what was asked, not once for all."""


@pytest.mark.parametrize("name", sorted(set(QUERIES) - RARE))
async def test_a_plan_made_on_empty_tables_goes_by_index(stores: Stores, tenant: UUID, name: str) -> None:
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found.group(1), len(numbers) + 1)}"

    query = QUERIES[name]
    announcing = with_outbox("fraud", query) if "/* outbox of " in query else query
    statement = re.sub(r"%\((\w+)\)[sb]", numbered, announcing)
    rows = await stores.as_superuser(tenant, f"EXPLAIN (GENERIC_PLAN) {statement}")
    plan = "\n".join(row[0] for row in rows)
    scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
    assert scanned <= SMALL, plan
