"""Read accounts' balances and policies as they are now."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from bezant.contracts.internal.ledger import Balance, ReadBalance
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.domain.accounts import LedgerAccount
from bezant.services.transaction.storage import QUERIES
from bezant.services.transaction.storage.reading import ledger_account


async def read_balances(databases: TenantDatabases, tenant_id: UUID, questions: Sequence[ReadBalance]) -> list[Balance]:
    """Return one balance per question, in order. Asks the writer, so that own writes are seen."""

    async def work(tx: TenantTransaction) -> dict[UUID, LedgerAccount]:
        ids = [question.account_id for question in questions]
        return {
            row[0]: ledger_account(row) for row in await tx.fetch_all(QUERIES["read_accounts"], {"account_ids": ids})
        }

    accounts = await databases.run(tenant_id, work)
    today = datetime.now(UTC).date()
    answers = []
    for question in questions:
        account = accounts.get(question.account_id)
        if account is None:
            answers.append(Balance(account_id=question.account_id, found=False))
            continue
        answers.append(
            Balance(
                account_id=account.id,
                found=True,
                currency=account.currency,
                account_type=account.account_type,
                status=account.status,
                posted_minor=account.posted_minor,
                available_minor=account.available_minor,
                pending_outgoing_minor=account.pending_outgoing_minor,
                pending_incoming_minor=account.pending_incoming_minor,
                overdraft_limit_minor=account.overdraft_limit_minor,
                daily_limit_minor=account.daily_limit_minor,
                daily_used_minor=account.out_on(today),
            )
        )
    return answers
