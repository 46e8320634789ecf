"""The public ledger API: transfers by keys with the scope `ledger:write`, and the check of the books."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.ledger import CreateTransfer, Leg, PostPending, Reverse, VoidPending, two_legs
from bezant.contracts.money import Balance
from bezant.contracts.problems import NotFound
from bezant.foundation.approvals import Approvals, ApprovalView, approval_response
from bezant.foundation.http import Page, page_limit, require
from bezant.foundation.idempotency import fingerprint, required_key
from bezant.foundation.identity import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.transaction.api.cursors import decode_place, decode_version, encode_place
from bezant.services.transaction.api.rendering import Render, render_batch, render_transfer, transfer_view
from bezant.services.transaction.api.schemas import (
    Batch,
    BatchRequest,
    CurrencyTotalView,
    DifferenceView,
    LedgerCheckView,
    LegRequest,
    PostRequest,
    ReverseRequest,
    Transfer,
    TransferRequest,
    VoidRequest,
)
from bezant.services.transaction.domain.book import Submitted, SubmittedBatch
from bezant.services.transaction.domain.problems import problem_of
from bezant.services.transaction.operations.check_ledger import check_ledger
from bezant.services.transaction.operations.note_asked import note_asked
from bezant.services.transaction.operations.post_group import Answer, KeyedRequest, Posting
from bezant.services.transaction.operations.read_transfers import (
    list_transfers,
    list_transfers_of_account,
    read_transfer,
)
from bezant.services.transaction.operations.reverse_when_approved import REVERSE_TRANSFER
from bezant.services.transaction.operations.write_group import Writer

Reader = Annotated[Caller, Depends(require("transfers:read"))]
LedgerWriter = Annotated[Caller, Depends(require("ledger:write"))]
Key = Annotated[str, Depends(required_key)]


def public_router(databases: TenantDatabases, writer: Writer, approvals: Approvals) -> APIRouter:
    """Return the routes below `/v1/transfers` and `/v1/ledger`."""
    router = APIRouter(prefix="/v1", tags=["ledger"])
    _add_writes(router, writer)
    _add_reversals(router, databases, writer, approvals)
    _add_reads(router, databases)
    return router


def _add_writes(router: APIRouter, writer: Writer) -> None:
    answers: dict[int | str, dict[str, Any]] = {200: {"model": Transfer, "description": "It existed already"}}

    @router.post("/transfers", status_code=201, response_model=Transfer, responses=answers)
    async def create_transfer(request: Request, caller: LedgerWriter, key: Key, body: TransferRequest) -> Response:
        """Move money between accounts, or hold it with `pending`."""
        command = _creation(caller, body)
        return await _write(writer, caller, Submitted(command, "ledger"), await _keyed(request, key, render_transfer))

    @router.post("/transfers/batch", status_code=201, response_model=Batch)
    async def create_batch(request: Request, caller: LedgerWriter, key: Key, body: BatchRequest) -> Response:
        """Make up to 500 transfers: all or none with `atomic`, else each for itself."""
        commands = tuple(Submitted(_creation(caller, transfer), "ledger") for transfer in body.transfers)
        batch = SubmittedBatch(new_id(), commands, atomic=body.atomic)
        return await _write(writer, caller, batch, await _keyed(request, key, render_batch(atomic=body.atomic)))

    @router.post("/transfers/{transfer_id}/post", status_code=201, response_model=Transfer, responses=answers)
    async def post_transfer(
        request: Request, caller: LedgerWriter, key: Key, transfer_id: UUID, body: PostRequest | None = None
    ) -> Response:
        """Post a pending transfer, whole or in part; the rest is released."""
        body = body or PostRequest()
        refuse_card_numbers(reference=body.reference, metadata=body.metadata)
        command = PostPending(
            id=body.id or new_id(),
            pending_id=transfer_id,
            currency=body.amount.currency if body.amount else None,
            amount_minor=body.amount.amount_minor if body.amount else None,
            legs=_legs(body.legs) if body.legs else None,
            reference=body.reference,
            metadata=body.metadata,
            actor=caller.actor,
        )
        return await _write(writer, caller, Submitted(command, "ledger"), await _keyed(request, key, render_transfer))

    @router.post("/transfers/{transfer_id}/void", status_code=201, response_model=Transfer, responses=answers)
    async def void_transfer(
        request: Request, caller: LedgerWriter, key: Key, transfer_id: UUID, body: VoidRequest | None = None
    ) -> Response:
        """Release a pending transfer."""
        body = body or VoidRequest()
        refuse_card_numbers(reference=body.reference, metadata=body.metadata)
        command = VoidPending(
            id=body.id or new_id(),
            pending_id=transfer_id,
            reference=body.reference,
            metadata=body.metadata,
            actor=caller.actor,
        )
        return await _write(writer, caller, Submitted(command, "ledger"), await _keyed(request, key, render_transfer))


def _add_reversals(router: APIRouter, databases: TenantDatabases, writer: Writer, approvals: Approvals) -> None:
    answers: dict[int | str, dict[str, Any]] = {
        200: {"model": Transfer, "description": "It existed already"},
        202: {"model": ApprovalView, "description": "The tenant wants another person to approve it first"},
    }

    @router.post("/transfers/{transfer_id}/reverse", status_code=201, response_model=Transfer, responses=answers)
    async def reverse_transfer(
        request: Request, caller: LedgerWriter, key: Key, transfer_id: UUID, body: ReverseRequest | None = None
    ) -> Response:
        """Post the mirror image of a transfer, once and in full."""
        body = body or ReverseRequest()
        refuse_card_numbers(reference=body.reference, metadata=body.metadata)
        command = Reverse(
            id=body.id or new_id(),
            transfer_id=transfer_id,
            reference=body.reference,
            metadata=body.metadata,
            actor=caller.actor,
        )
        keyed = await _keyed(request, key, render_transfer)
        if await approvals.demanded(caller.tenant, "reversals"):
            if await read_transfer(databases, caller.tenant, transfer_id) is None:
                raise NotFound(f"there is no transfer {transfer_id}")
            if (answered := await note_asked(databases, caller.tenant, keyed, transfer_id)) is not None:
                return _response(answered)
            asked = await approvals.ask(
                caller,
                action=REVERSE_TRANSFER,
                subject=str(transfer_id),
                request=msgspec.to_builtins(command),
                scope="ledger:write",
                fingerprint=keyed.fingerprint,
                key=key,
            )
            return approval_response(asked)
        return await _write(writer, caller, Submitted(command, "ledger"), keyed)


def _add_reads(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("/transfers")
    async def get_transfers(
        caller: Reader,
        account_id: Annotated[UUID | None, Query(description="Only transfers that touch this account")] = None,
        limit: page_limit = 50,
        cursor: str | None = None,
    ) -> Page[Transfer]:
        """List transfers, latest first."""
        if account_id is None:
            page = await list_transfers(databases, caller.tenant, before=decode_place(cursor), limit=limit)
        else:
            page = await list_transfers_of_account(
                databases, caller.tenant, account_id, before_version=decode_version(cursor), limit=limit
            )
        return Page(
            data=[transfer_view(stored) for stored in page.transfers],
            next_cursor=None if page.next_place is None else encode_place(page.next_place),
        )

    @router.get("/transfers/{transfer_id}")
    async def get_transfer(caller: Reader, transfer_id: UUID) -> Transfer:
        """Return one transfer."""
        stored = await read_transfer(databases, caller.tenant, transfer_id)
        if stored is None:
            raise NotFound(f"there is no transfer {transfer_id}")
        return transfer_view(stored)

    @router.get("/ledger/check")
    async def get_ledger_check(caller: Reader) -> LedgerCheckView:
        """Recompute every balance, hold and transfer from the rows, and name what differs."""
        check = await check_ledger(databases, caller.tenant)

        def money(amount_minor: int, currency: str) -> Balance:
            return Balance(amount_minor=amount_minor, currency=currency)

        return LedgerCheckView(
            consistent=check.consistent,
            checked_at=check.checked_at,
            accounts=check.accounts,
            transfers=check.transfers,
            entries=check.entries,
            open_holds=check.open_holds,
            totals=[
                CurrencyTotalView(
                    currency=total.currency,
                    posted=money(total.posted_minor, total.currency),
                    pending=money(total.pending_minor, total.currency),
                    credited=money(total.credited_minor, total.currency),
                )
                for total in check.totals
            ],
            difference_count=check.difference_count,
            differences=[
                DifferenceView(
                    check=difference.check,
                    what=difference.what,
                    id=difference.id,
                    field=difference.field,
                    expected=difference.expected,
                    found=difference.found,
                )
                for difference in check.differences
            ],
        )


def _creation(caller: Caller, body: TransferRequest) -> CreateTransfer:
    refuse_card_numbers(reference=body.reference, metadata=body.metadata)
    if body.legs is not None and body.currency is not None:
        currency, legs = body.currency, _legs(body.legs)
    else:
        assert body.amount is not None
        assert body.debit_account_id is not None
        assert body.credit_account_id is not None
        currency = body.amount.currency
        legs = two_legs(
            debit_account_id=body.debit_account_id,
            credit_account_id=body.credit_account_id,
            amount_minor=body.amount.amount_minor,
        )
    return CreateTransfer(
        id=body.id or new_id(),
        currency=currency,
        legs=legs,
        pending=body.pending,
        expires_at=body.expires_at,
        reference=body.reference,
        metadata=body.metadata,
        actor=caller.actor,
    )


def _legs(legs: Sequence[LegRequest]) -> list[Leg]:
    return [Leg(leg.account_id, leg.direction, leg.amount_minor) for leg in legs]


async def _keyed(request: Request, key: str, render: Render) -> KeyedRequest:
    mark = fingerprint(request.method, request.url.path, await request.body())
    return KeyedRequest(key=key, fingerprint=mark, render=render)


async def _write(writer: Writer, caller: Caller, item: Submitted | SubmittedBatch, keyed: KeyedRequest) -> Response:
    posted = await writer.write(caller.tenant, Posting(item, keyed))
    answer = posted.answer
    if answer is None:
        assert posted.result is not None
        raise problem_of(posted.result.reason_code, posted.result.detail)
    return _response(answer)


def _response(answer: Answer) -> Response:
    media_type = "application/json" if answer.status < 400 else "application/problem+json"
    return Response(answer.body, status_code=answer.status, media_type=media_type)
