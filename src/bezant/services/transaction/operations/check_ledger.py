"""Recompute the whole ledger from its rows and name what differs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.storage import CHECK_QUERIES

CHECKS: Final = (
    "balances",
    "pending_sums",
    "daily_sums",
    "running_balances",
    "transfers",
    "currencies",
    "holds",
    "reversals",
)
"""The queries that each return what differs, in the order in which they are run."""
_NAMED_PER_CHECK: Final = 100

_CHECK_SECONDS = 300.0
"""A check reads every row of the ledger: it may take longer than a request's transaction."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not what the rows say: `expected` is recomputed, `found` is what stands there."""

    check: str
    what: str
    id: str
    field: str
    expected: str | None
    found: str | None


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """All accounts of one currency together; `posted_minor` and `pending_minor` must be zero."""

    currency: str
    posted_minor: int
    pending_minor: int
    credited_minor: int


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """The result of a check. `difference_count` may exceed `differences`, which names 100 of each kind."""

    checked_at: datetime
    accounts: int
    transfers: int
    entries: int
    open_holds: int
    totals: tuple[CurrencyTotal, ...]
    differences: tuple[Difference, ...]
    difference_count: int

    @property
    def consistent(self) -> bool:
        """Whether nothing differs."""
        return self.difference_count == 0


async def check_ledger(databases: TenantDatabases, tenant_id: UUID) -> LedgerCheck:
    """Check every balance, hold and transfer of the tenant in one snapshot, without locking anything."""

    async def work(tx: TenantTransaction) -> LedgerCheck:
        await tx.execute(CHECK_QUERIES["snapshot"])
        counted = await tx.fetch_one(CHECK_QUERIES["counted"])
        assert counted is not None
        totals = tuple(
            CurrencyTotal(currency, int(posted), int(pending), int(credited))
            for currency, posted, credited, pending in await tx.fetch_all(CHECK_QUERIES["currency_totals"])
        )
        differences: list[Difference] = []
        count = 0
        for check in CHECKS:
            rows = await tx.fetch_all(CHECK_QUERIES[check], {"limit": _NAMED_PER_CHECK})
            count += rows[0][5] if rows else 0
            differences.extend(Difference(check, *row[:5]) for row in rows)
        for total in totals:
            for field, value in (("posted", total.posted_minor), ("pending", total.pending_minor)):
                if value:
                    count += 1
                    differences.append(
                        Difference("currency_totals", "currency", total.currency, f"{field} total", "0", str(value))
                    )
        return LedgerCheck(
            checked_at=counted[0],
            accounts=counted[1],
            transfers=counted[2],
            entries=counted[3],
            open_holds=counted[4],
            totals=totals,
            differences=tuple(differences),
            difference_count=count,
        )

    return await databases.run(tenant_id, work, timeout_seconds=_CHECK_SECONDS)
