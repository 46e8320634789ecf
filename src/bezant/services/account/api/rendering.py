"""Turn accounts, balances and statements into answers of the public API."""

from uuid import UUID

from bezant.contracts.internal.ledger import Balance as LedgerBalance
from bezant.contracts.internal.ledger import Statement
from bezant.contracts.money import Balance
from bezant.foundation.http import encode_cursor
from bezant.services.account.api.schemas import AccountView, BalanceView, StatementLine, StatementView
from bezant.services.account.domain.account import Account


def account_view(account: Account) -> AccountView:
    """Return the public form of an account that is shown."""
    if account.status == "opening":
        raise ValueError("an account that is being opened is not shown")
    return AccountView(
        id=account.id,
        name=account.name,
        type=account.account_type,
        currency=account.currency,
        status=account.status,
        overdraft_limit_minor=account.overdraft_limit_minor,
        daily_limit_minor=account.daily_limit_minor,
        metadata=account.metadata,
        created_at=account.created_at,
        updated_at=account.updated_at,
    )


def account_body(account: Account) -> str:
    """Return the JSON with which an opened account is answered."""
    return account_view(account).model_dump_json()


def balance_view(balance: LedgerBalance) -> BalanceView:
    """Return the public form of a balance."""

    def money(amount_minor: int) -> Balance:
        return Balance(amount_minor=amount_minor, currency=balance.currency)

    return BalanceView(
        account_id=balance.account_id,
        status=balance.status,
        posted=money(balance.posted_minor),
        available=money(balance.available_minor),
        pending=money(balance.pending_outgoing_minor),
        pending_incoming=money(balance.pending_incoming_minor),
        overdraft_limit=None if balance.overdraft_limit_minor is None else money(balance.overdraft_limit_minor),
        daily_limit=None if balance.daily_limit_minor is None else money(balance.daily_limit_minor),
        daily_used=money(balance.daily_used_minor),
    )


def statement_view(statement: Statement) -> StatementView:
    """Return the public form of a page of a statement. Its cursor is the account's version, as an id."""

    def money(amount_minor: int) -> Balance:
        return Balance(amount_minor=amount_minor, currency=statement.currency)

    return StatementView(
        account_id=statement.account_id,
        opening_balance=money(statement.period_opening_minor),
        closing_balance=money(statement.period_closing_minor),
        page_opening_balance=money(statement.opening_minor),
        entries=[
            StatementLine(
                transfer_id=entry.transfer_id,
                kind=entry.kind,
                direction=entry.direction,
                amount=money(entry.amount_minor),
                balance_after=money(entry.balance_after_minor),
                reference=entry.reference,
                created_at=entry.created_at,
            )
            for entry in statement.entries
        ],
        next_cursor=None if statement.next_version is None else encode_cursor(UUID(int=statement.next_version)),
    )
