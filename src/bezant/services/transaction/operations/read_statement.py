"""Read a page of an account's statement."""

from uuid import UUID

from bezant.contracts.internal.ledger import ReadStatement, Statement, StatementEntry
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.storage import HISTORY_QUERIES


async def read_statement(databases: TenantDatabases, tenant_id: UUID, question: ReadStatement) -> Statement:
    """Return the page of posted entries that the question asks for, with its opening and closing balance.

    Entries are numbered per account, and never inserted before others, so that pages fit together whatever
    is posted meanwhile.
    """

    async def work(tx: TenantTransaction) -> Statement:
        return await _read(tx, question)

    return await databases.run(tenant_id, work)


async def _read(tx: TenantTransaction, question: ReadStatement) -> Statement:
    account_id = question.account_id
    account = await tx.fetch_one(
        HISTORY_QUERIES["statement_account"],
        {"account_id": account_id, "since": question.since, "until": question.until},
    )
    if account is None:
        return Statement(account_id=account_id, found=False)
    currency, _, first_version, last_version = account
    period_opening = await _balance_at(tx, account_id, first_version)
    period_closing = await _balance_at(tx, account_id, max(first_version, last_version))
    after_version = max(first_version, question.after_version or 0)
    rows = await tx.fetch_all(
        HISTORY_QUERIES["statement_entries"],
        {
            "account_id": account_id,
            "after_version": after_version,
            "last_version": last_version,
            "limit": question.limit + 1,
        },
    )
    page = [
        StatementEntry(
            version=row[0],
            transfer_id=row[1],
            kind=row[2],
            direction=row[3],
            amount_minor=row[4],
            balance_after_minor=int(row[5]),
            reference=row[6],
            created_at=row[7],
        )
        for row in rows[: question.limit]
    ]
    opening = await _balance_at(tx, account_id, after_version)
    return Statement(
        account_id=account_id,
        found=True,
        currency=currency,
        opening_minor=opening,
        closing_minor=page[-1].balance_after_minor if page else opening,
        period_opening_minor=period_opening,
        period_closing_minor=period_closing,
        entries=page,
        next_version=page[-1].version if len(rows) > question.limit else None,
    )


async def _balance_at(tx: TenantTransaction, account_id: UUID, version: int) -> int:
    row = await tx.fetch_one(HISTORY_QUERIES["balance_at"], {"account_id": account_id, "version": version})
    return int(row[0]) if row is not None else 0
