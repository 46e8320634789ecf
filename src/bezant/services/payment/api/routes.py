"""Routes of the payment service.

The routes that move money answer with bytes that the operations made, so that a repeated key gets the same
bytes; `response_model` stands in the OpenAPI document only.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.contracts.json_text import UNREADABLE
from bezant.contracts.problems import InvalidRequest
from bezant.foundation.http import Page, caller_of, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.http.direct import DirectRequest, DirectRoute, documented, parse
from bezant.foundation.idempotency import (
    LONGEST_KEY_OF_AN_ITEM,
    checked_key,
    fingerprint,
    fingerprint_of_document,
    required_key,
)
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.payment.api.schemas import (
    IdempotencyAnswer,
    PaymentAnswer,
    PaymentBatchAnswer,
    PaymentBatchRequest,
    PaymentCaptureRequest,
    PaymentRequest,
    PaymentVoidRequest,
    RefundAnswer,
    RefundList,
    RefundRequest,
    SplitSchema,
)
from bezant.services.payment.domain.payments import ActionKind, Split, Status
from bezant.services.payment.operations import read_payments
from bezant.services.payment.operations.act_on_payments import PaymentActions
from bezant.services.payment.operations.answers import encode, payment_document, refund_document
from bezant.services.payment.operations.begin_actions import ActionOrder
from bezant.services.payment.operations.create_batches import PaymentBatches
from bezant.services.payment.operations.create_payments import Answer, PaymentCreation, PaymentOrder

Reader = Annotated[Caller, Depends(require("payments:read"))]
Writer = Annotated[Caller, Depends(require("payments:write"))]
Key = Annotated[str, Depends(required_key)]
_OWNERS: Final[Mapping[str, tuple[Literal["accounts", "payments", "transfers"], str]]] = {
    "account": ("accounts", "accounts:read"),
    "ledger": ("transfers", "transfers:read"),
    "payment": ("payments", "payments:read"),
}
"""What a key made, and the scope to read it, by the schema of the service that has the key."""


async def _reader_of_keys(request: Request) -> Caller:
    """Return a caller that may read something that keys make; which, depends on what this key made."""
    caller = await caller_of(request)
    if not any(scope in caller.scopes for _, scope in _OWNERS.values()):
        caller.require("payments:read")
    return caller


KeyReader = Annotated[Caller, Depends(_reader_of_keys)]


def _splits(given: list[SplitSchema]) -> list[Split]:
    return [Split(split.account_id, split.amount_minor) for split in given]


def _order(body: PaymentRequest, *, actor: str, key: str, mark: bytes) -> PaymentOrder:
    context = body.context.model_dump(exclude_none=True)
    refuse_card_numbers(reference=body.reference, metadata=body.metadata, context=context)
    return PaymentOrder(
        source_account_id=body.source_account_id,
        destination_account_id=body.destination_account_id,
        amount_minor=body.amount.amount_minor,
        currency=body.amount.currency,
        capture=body.capture,
        splits=_splits(body.splits),
        reference=body.reference,
        metadata=body.metadata,
        context=context,
        expires_in_seconds=body.expires_in_seconds,
        actor=actor,
        key=key,
        fingerprint=mark,
    )


def _response(answer: Answer) -> Response:
    problem = answer.status >= 400
    return Response(
        answer.body,
        status_code=answer.status,
        media_type="application/problem+json" if problem else "application/json",
        headers={"retry-after": "1"} if answer.status == 202 else None,
    )


def _json(document: dict[str, Any]) -> Response:
    return Response(encode(document), media_type="application/json")


def create_route(creation: PaymentCreation) -> DirectRoute:
    """Return `POST /v1/payments`, which carries the load, as a route without a framework in between."""

    async def create(request: DirectRequest) -> Response:
        request.caller.require("payments:write")
        key = checked_key(request.headers.get(b"idempotency-key", b"").decode("latin-1"))
        order = _order(
            parse(PaymentRequest, request.body),
            actor=request.caller.actor,
            key=key,
            mark=fingerprint("POST", "/v1/payments", request.body),
        )
        return _response(await creation.create(request.caller.tenant, order))

    return DirectRoute("POST", "/v1/payments", create)


class _SentBatch(msgspec.Struct):
    payments: list[dict[str, Any]]


def _sent_payments(raw: bytes) -> list[dict[str, Any]]:
    """Return the items of a batch as they were sent. Raises `InvalidRequest` for what only a lenient parser reads."""
    try:
        return msgspec.json.decode(raw, type=_SentBatch).payments
    except (*UNREADABLE, RecursionError) as error:
        raise InvalidRequest(f"body: {error}") from error


def payment_routes(
    databases: TenantDatabases, creation: PaymentCreation, batches: PaymentBatches, actions: PaymentActions
) -> APIRouter:
    """Return the routes below `/v1/payments` and `/v1/idempotency`."""
    router = APIRouter(tags=["payments"])

    documented(
        router,
        create_route(creation),
        PaymentRequest,
        name="create",
        description="Make a payment. A refusal by fraud checks, funds or limits is an outcome: read `status`.",
        dependencies=[Depends(require("payments:write")), Depends(required_key)],
        status_code=201,
        response_model=PaymentAnswer,
        responses={202: {"model": PaymentAnswer, "description": "Recorded; still processing. Ask again."}},
    )

    @router.post("/v1/payments/batch", response_model=PaymentBatchAnswer)
    async def create_batch(request: Request, body: PaymentBatchRequest, caller: Writer, key: Key) -> Response:
        """Make up to 500 independent payments; each is answered as if it had been sent alone."""
        raw = await request.body()
        sent = _sent_payments(raw)

        def order(position: int) -> PaymentOrder:
            item = body.payments[position]
            # The same mark as that of the item sent alone under its key.
            alone = {name: value for name, value in sent[position].items() if name != "idempotency_key"}
            return _order(
                item,
                actor=caller.actor,
                key=item.idempotency_key or f"{key}/{position}",
                mark=fingerprint_of_document("POST", "/v1/payments", alone),
            )

        return _response(
            await batches.create(
                caller.tenant,
                [partial(order, position) for position in range(len(body.payments))],
                key=key,
                fingerprint=fingerprint("POST", request.url.path, raw),
            )
        )

    @router.get("/v1/payments", response_model=Page[PaymentAnswer])
    async def list_all(
        caller: Reader,
        limit: page_limit = 50,
        cursor: str | None = None,
        status: Status | None = None,
        account_id: UUID | None = None,
    ) -> Response:
        """List payments, newest first."""
        found = await read_payments.list_payments(
            databases,
            caller.tenant,
            read_payments.PaymentFilter(status, account_id),
            before=decode_cursor(cursor),
            limit=limit + 1,
        )
        following = encode_cursor(found[limit - 1].id) if len(found) > limit else None
        return _json({"data": [payment_document(payment) for payment in found[:limit]], "next_cursor": following})

    @router.get("/v1/payments/{payment_id}", response_model=PaymentAnswer)
    async def get_one(payment_id: UUID, caller: Reader) -> Response:
        """Return one payment."""
        return _json(payment_document(await read_payments.get_payment(databases, caller.tenant, payment_id)))

    @router.post("/v1/payments/{payment_id}/capture", response_model=PaymentAnswer)
    async def capture(
        request: Request, payment_id: UUID, caller: Writer, key: Key, body: PaymentCaptureRequest | None = None
    ) -> Response:
        """Capture an authorized payment, in whole or in part; the rest is released."""
        wanted = body or PaymentCaptureRequest()
        refuse_card_numbers(reference=wanted.reference)
        order = ActionOrder(
            payment_id, ActionKind.CAPTURE, caller.actor, wanted.amount_minor,
            None if wanted.splits is None else _splits(wanted.splits), wanted.reference, key,
            fingerprint("POST", request.url.path, await request.body()),
        )  # fmt: skip
        return _response(await actions.act(caller.tenant, order))

    @router.post("/v1/payments/{payment_id}/void", response_model=PaymentAnswer)
    async def void(
        request: Request, payment_id: UUID, caller: Writer, key: Key, body: PaymentVoidRequest | None = None
    ) -> Response:
        """Release the hold of a payment that is authorized or under review."""
        wanted = body or PaymentVoidRequest()
        refuse_card_numbers(reference=wanted.reference)
        order = ActionOrder(
            payment_id, ActionKind.VOID, caller.actor, reference=wanted.reference, key=key,
            fingerprint=fingerprint("POST", request.url.path, await request.body()),
        )  # fmt: skip
        return _response(await actions.act(caller.tenant, order))

    @router.post(
        "/v1/payments/{payment_id}/refund", status_code=201, response_model=RefundAnswer,
        responses={202: {"model": RefundAnswer, "description": "Recorded; still processing. Ask again."}},
    )  # fmt: skip
    async def refund(
        request: Request, payment_id: UUID, caller: Writer, key: Key, body: RefundRequest | None = None
    ) -> Response:
        """Refund a captured payment, in whole or in parts. A refusal by the ledger is a refund that `failed`."""
        wanted = body or RefundRequest()
        refuse_card_numbers(reference=wanted.reference)
        order = ActionOrder(
            payment_id, ActionKind.REFUND, caller.actor, wanted.amount_minor, None, wanted.reference, key,
            fingerprint("POST", request.url.path, await request.body()),
        )  # fmt: skip
        return _response(await actions.act(caller.tenant, order))

    @router.get("/v1/payments/{payment_id}/refunds", response_model=RefundList)
    async def refunds(payment_id: UUID, caller: Reader) -> Response:
        """List a payment's refunds, oldest first."""
        payment, found = await read_payments.list_refunds(databases, caller.tenant, payment_id)
        return _json({"data": [refund_document(action, payment) for action in found]})

    @router.get("/v1/idempotency", operation_id="idempotency.find")
    async def idempotency(
        key: Annotated[
            str, Query(max_length=LONGEST_KEY_OF_AN_ITEM, description="The Idempotency-Key, as it was sent")
        ],
        caller: KeyReader,
    ) -> IdempotencyAnswer:
        """Return what became of the request with this Idempotency-Key.

        One key names one request of the tenant, to whichever path it was sent. An item of a batch without a key of its
        own has the batch's key, a slash and the item's position: `b1/0`. The records are kept for seven days.
        """
        return await _what_became(databases, caller, key)

    # our clients ask for every key in the query, under the name that this operation always had
    @router.get("/v1/idempotency/{key:path}", openapi_extra={"x-bezant-query-form": "/v1/idempotency"})
    async def idempotency_by_path(key: str, caller: KeyReader) -> IdempotencyAnswer:
        """Return what became of the request with this Idempotency-Key, for keys that a path can carry.

        Gateways refuse or rewrite paths with encoded slashes, empty segments and `..`. Ask with `?key=` for such keys.
        """
        return await _what_became(databases, caller, key)

    return router


async def _what_became(databases: TenantDatabases, caller: Caller, key: str) -> IdempotencyAnswer:
    record = await read_payments.get_idempotency_record(
        databases, caller.tenant, checked_key(key, longest=LONGEST_KEY_OF_AN_ITEM)
    )
    resource, scope = _OWNERS[record.owner]
    caller.require(scope)
    body = None if record.response_body is None else msgspec.json.decode(record.response_body)
    return IdempotencyAnswer(
        key=record.key,
        resource=resource,
        status="in_progress" if record.response_status is None else "completed",
        resource_id=record.resource_id,
        response_status=record.response_status,
        response_body=body,
        created_at=record.created_at,
    )
