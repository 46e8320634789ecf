"""The accounts API."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from bezant.contracts.annotations import Instant
from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.contracts.internal.ledger import ReadStatement
from bezant.contracts.money import CurrencyCode
from bezant.contracts.problems import InvalidCursor, InvalidRequest, NotFound
from bezant.foundation.approvals import Approval, Approvals, ApprovalView, approval_response
from bezant.foundation.approvals.problems import ApprovalRequired
from bezant.foundation.http import Page, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.idempotency import fingerprint, required_key
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
from bezant.services.account.domain.account import Account, overdraft_of, raises_limits
from bezant.services.account.domain.changes import LimitsChange, StatusChange
from bezant.services.account.ledger import Ledger
from bezant.services.account.operations.change_account import ChangeAccounts
from bezant.services.account.operations.open_account import OpenAccounts, Opening
from bezant.services.account.operations.raise_when_approved import RAISE_LIMITS, RaiseLimits
from bezant.services.account.operations.read_accounts import describe_account, list_accounts, read_account

Reader = Annotated[Caller, Depends(require("accounts:read"))]
AccountWriter = Annotated[Caller, Depends(require("accounts:write"))]
Key = Annotated[str, Depends(required_key)]
_MAX_VERSION = 2**63 - 1


def accounts_router(
    databases: TenantDatabases,
    ledger: Ledger,
    opening: OpenAccounts,
    changing: ChangeAccounts,
    approvals: Approvals,
) -> APIRouter:
    """Return the routes below `/v1/accounts`."""
    router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
    _add_lifecycle(router, opening, changing, approvals)
    _add_limits(router, databases, changing, approvals)
    _add_description(router, databases)
    _add_balances(router, ledger)
    return router


def _add_lifecycle(router: APIRouter, opening: OpenAccounts, changing: ChangeAccounts, approvals: Approvals) -> None:
    @router.post("", status_code=201, response_model=AccountView)
    async def open_account(request: Request, caller: AccountWriter, key: Key, body: AccountRequest) -> Response:
        """Open an account. When it is answered, the account can be paid."""
        refuse_card_numbers(name=body.name, metadata=body.metadata)
        if body.overdraft_limit_minor and await approvals.demanded(caller.tenant, "limit_raises"):
            raise ApprovalRequired(
                "this tenant wants another person to approve overdrafts: open the account without one, then raise "
                "overdraft_limit_minor with PATCH /v1/accounts/{id}/limits"
            )
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


def _add_limits(router: APIRouter, databases: TenantDatabases, changing: ChangeAccounts, approvals: Approvals) -> None:
    answers: dict[int | str, dict[str, Any]] = {
        202: {"model": ApprovalView, "description": "The tenant wants another person to approve the raise first"}
    }

    @router.patch("/{account_id}/limits", response_model=AccountView, responses=answers)
    async def set_limits(
        request: Request, caller: AccountWriter, account_id: UUID, body: LimitsRequest
    ) -> AccountView | Response:
        """Change the overdraft limit, the daily limit, or both. When it is answered, they are enforced."""

        def wanted(account: Account) -> LimitsChange:
            change = _change(account, body, caller)
            # Again under the account's lock: it may have been lowered since it was looked at.
            if demanded and _raises(account, change):
                raise ApprovalRequired(
                    "the account was just changed, and this would raise its limits now; send it again"
                )
            return change

        if not body.model_fields_set:
            raise InvalidRequest("send overdraft_limit_minor, daily_limit_minor, or both")
        demanded = await approvals.demanded(caller.tenant, "limit_raises")
        if demanded:
            account = await read_account(databases, caller.tenant, account_id)
            change = _change(account, body, caller)
            if _raises(account, change):
                return approval_response(await _ask(request, caller, account, change))
        return account_view(await changing.change(caller.tenant, account_id, wanted))

    async def _ask(request: Request, caller: Caller, account: Account, change: LimitsChange) -> Approval:
        asked = RaiseLimits(
            account_id=account.id,
            revision=account.revision,
            overdraft_limit_minor=change.overdraft_limit_minor,
            daily_limit_minor=change.daily_limit_minor,
        )
        return await approvals.ask(
            caller,
            action=RAISE_LIMITS,
            subject=str(account.id),
            request=msgspec.to_builtins(asked),
            scope="accounts:write",
            fingerprint=fingerprint(request.method, request.url.path, await request.body()),
        )


def _change(account: Account, body: LimitsRequest, caller: Caller) -> LimitsChange:
    overdraft, daily = account.overdraft_limit_minor, account.daily_limit_minor
    if body.overdraft_limit_minor is not None:
        overdraft = overdraft_of(account.account_type, body.overdraft_limit_minor)
    if "daily_limit_minor" in body.model_fields_set:
        daily = body.daily_limit_minor
    return LimitsChange(overdraft_limit_minor=overdraft, daily_limit_minor=daily, actor=caller.actor)


def _raises(account: Account, change: LimitsChange) -> bool:
    return raises_limits(
        account,
        overdraft_limit_minor=change.overdraft_limit_minor,
        daily_limit_minor=change.daily_limit_minor,
    )


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
