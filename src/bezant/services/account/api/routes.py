"""The accounts API."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from bezant.contracts.annotations import Instant
from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.contracts.internal.ledger import ReadStatement
from bezant.contracts.money import CurrencyCode
from bezant.contracts.problems import InvalidCursor, InvalidRequest, NotFound
from bezant.foundation.http import Page, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.idempotency import fingerprint, idempotency_key
from bezant.foundation.identity import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.account.api.rendering import account_view, balance_view, statement_view
from bezant.services.account.api.schemas import (
    AccountRequest,
    AccountStatusName,
    AccountTypeName,
    AccountView,
    BalanceView,
    DescriptionRequest,
    LimitsRequest,
    StatementView,
)
from bezant.services.account.domain.account import Account, overdraft_of
from bezant.services.account.domain.changes import LimitsChange, StatusChange
from bezant.services.account.ledger import Ledger
from bezant.services.account.operations.change_account import ChangeAccounts
from bezant.services.account.operations.open_account import OpenAccounts, Opening
from bezant.services.account.operations.read_accounts import describe_account, list_accounts, read_account

Reader = Annotated[Caller, Depends(require("accounts:read"))]
AccountWriter = Annotated[Caller, Depends(require("accounts:write"))]
Key = Annotated[str, Depends(idempotency_key)]
_MAX_VERSION = 2**63 - 1


def accounts_router(
    databases: TenantDatabases, ledger: Ledger, opening: OpenAccounts, changing: ChangeAccounts
) -> APIRouter:
    """Return the routes below `/v1/accounts`."""
    router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
    _add_lifecycle(router, opening, changing)
    _add_description(router, databases)
    _add_balances(router, ledger)
    return router


def _add_lifecycle(router: APIRouter, opening: OpenAccounts, changing: ChangeAccounts) -> None:
    @router.post("", status_code=201, response_model=AccountView)
    async def open_account(request: Request, caller: AccountWriter, key: Key, body: AccountRequest) -> Response:
        """Open an account. When it is answered, the account can be paid."""
        refuse_card_numbers(name=body.name, metadata=body.metadata)
        answer = await opening.open(
            caller.tenant,
            Opening(
                name=body.name,
                account_type=body.type,
                currency=body.currency,
                overdraft_limit_minor=body.overdraft_limit_minor,
                daily_limit_minor=body.daily_limit_minor,
                metadata=body.metadata,
                actor=caller.actor,
                key=key,
                fingerprint=fingerprint(request.method, request.url.path, await request.body()),
            ),
        )
        media_type = "application/json" if answer.status < 400 else "application/problem+json"
        return Response(answer.body, status_code=answer.status, media_type=media_type)

    @router.post("/{account_id}/freeze")
    async def freeze_account(caller: AccountWriter, account_id: UUID) -> AccountView:
        """Freeze: nothing more is debited or credited, and holds are not captured, until it is unfrozen.

        Holds may be voided and expire, and refunds and reversals may still bring money in.
        """
        change = StatusChange(status="frozen", actor=caller.actor)
        return account_view(await changing.change(caller.tenant, account_id, lambda _: change))

    @router.post("/{account_id}/unfreeze")
    async def unfreeze_account(caller: AccountWriter, account_id: UUID) -> AccountView:
        """Lift a freeze."""
        change = StatusChange(status="open", actor=caller.actor)
        return account_view(await changing.change(caller.tenant, account_id, lambda _: change))

    @router.post("/{account_id}/close")
    async def close_account(caller: AccountWriter, account_id: UUID) -> AccountView:
        """Close for ever; refused while the account has a balance or open holds."""
        change = StatusChange(status="closed", actor=caller.actor)
        return account_view(await changing.change(caller.tenant, account_id, lambda _: change))

    @router.patch("/{account_id}/limits")
    async def set_limits(caller: AccountWriter, account_id: UUID, body: LimitsRequest) -> AccountView:
        """Change the overdraft limit, the daily limit, or both. When it is answered, they are enforced."""

        def wanted(account: Account) -> LimitsChange:
            overdraft, daily = account.overdraft_limit_minor, account.daily_limit_minor
            if body.overdraft_limit_minor is not None:
                overdraft = overdraft_of(account.account_type, body.overdraft_limit_minor)
            if "daily_limit_minor" in body.model_fields_set:
                daily = body.daily_limit_minor
            return LimitsChange(overdraft_limit_minor=overdraft, daily_limit_minor=daily, actor=caller.actor)

        if not body.model_fields_set:
            raise InvalidRequest("send overdraft_limit_minor, daily_limit_minor, or both")
        return account_view(await changing.change(caller.tenant, account_id, wanted))


def _add_description(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("")
    async def get_accounts(
        *,
        caller: Reader,
        type: AccountTypeName | None = None,
        status: AccountStatusName | None = None,
        currency: CurrencyCode | None = None,
        limit: page_limit = 50,
        cursor: str | None = None,
    ) -> Page[AccountView]:
        """List accounts, latest first."""
        accounts, more = await list_accounts(
            databases,
            caller.tenant,
            before=decode_cursor(cursor),
            limit=limit,
            filters={"account_type": type, "status": status, "currency": currency},
        )
        return Page(
            data=[account_view(account) for account in accounts],
            next_cursor=encode_cursor(accounts[-1].id) if more else None,
        )

    @router.get("/{account_id}")
    async def get_account(caller: Reader, account_id: UUID) -> AccountView:
        """Return one account."""
        return account_view(await read_account(databases, caller.tenant, account_id))

    @router.patch("/{account_id}")
    async def patch_account(caller: AccountWriter, account_id: UUID, body: DescriptionRequest) -> AccountView:
        """Change an account's name or metadata."""
        refuse_card_numbers(name=body.name, metadata=body.metadata)
        described = await describe_account(
            databases, caller.tenant, account_id, name=body.name, metadata=body.metadata, actor=caller.actor
        )
        return account_view(described)


def _add_balances(router: APIRouter, ledger: Ledger) -> None:
    @router.get("/{account_id}/balance")
    async def get_balance(caller: Reader, account_id: UUID) -> BalanceView:
        """Return what the account holds now."""
        balance = await ledger.balance(caller.tenant, account_id)
        if not balance.found:
            raise NotFound(f"there is no account {account_id}")
        return balance_view(balance)

    @router.get("/{account_id}/statement")
    async def get_statement(
        *,
        caller: Reader,
        account_id: UUID,
        since: Annotated[Instant | None, Query(alias="from", description="The first instant, inclusive")] = None,
        until: Annotated[Instant | None, Query(alias="to", description="The last instant, exclusive")] = None,
        limit: page_limit = 50,
        cursor: str | None = None,
    ) -> StatementView:
        """Return a page of what was posted to the account, oldest first."""
        last = decode_cursor(cursor)
        if last is not None and not 1 <= last.int <= _MAX_VERSION:
            raise InvalidCursor("this cursor did not come from a statement; start again without one")
        statement = await ledger.statement(
            caller.tenant,
            ReadStatement(
                account_id=account_id,
                since=since,
                until=until,
                after_version=None if last is None else last.int,
                limit=limit,
            ),
        )
        if not statement.found:
            raise NotFound(f"there is no account {account_id}")
        return statement_view(statement)
