"""Routes for what leaves the platform and is verified outside: receipts, exports, keys, cosignatures."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, status
from fastapi.responses import StreamingResponse

from bezant.foundation.http import require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.audit.api.evidence_schemas import (
    CosignatureIn,
    ReceiptOut,
    SigningKeysOut,
    WitnessesOut,
    WitnessIn,
    WitnessOut,
)
from bezant.services.audit.api.schemas import TreeHeadOut
from bezant.services.audit.operations.export_log import begin_export, export_lines
from bezant.services.audit.operations.make_receipt import make_receipt
from bezant.services.audit.operations.witness_heads import (
    add_witness,
    list_witnesses,
    remove_witness,
    take_cosignature,
)
from bezant.services.audit.storage.tree_head_key import TreeHeadKey

PaymentReader = Annotated[Caller, Depends(require("payments:read"))]
Reader = Annotated[Caller, Depends(require("audit:read"))]
Writer = Annotated[Caller, Depends(require("audit:write"))]
Disclose = Annotated[bool, Query(description="Show personal values with their salts, as far as they are held")]
EXPORT_LIMIT = 50_000
"""Entries in one part at most, so that it is sent well within the gateway's time limit."""


def evidence_router(databases: TenantDatabases, key: TreeHeadKey) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["audit"])
    _receipt_routes(router, databases, key)
    _witness_routes(router, databases)
    return router


def _receipt_routes(router: APIRouter, databases: TenantDatabases, key: TreeHeadKey) -> None:
    @router.get("/v1/payments/{payment_id}/receipt", summary="A payment's receipt, which verifies offline")
    async def get_receipt(payment_id: UUID, caller: PaymentReader, disclose: Disclose = False) -> ReceiptOut:
        """Every event of the payment with its proof under a signed head. 404 until the log has the payment."""
        receipt = await make_receipt(databases, caller.tenant, payment_id, key)
        return ReceiptOut.of(receipt, disclose=disclose)

    @router.get(
        "/v1/audit/export",
        summary="Export the log as JSON Lines",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "A header, a line for each entry, and a last line with the SHA-256 of all before it",
                "content": {"application/jsonl": {"schema": {"type": "string"}}},
                "headers": {
                    "Bezant-Next-From": {
                        "description": "Ask for this `from` next; absent when the log ends with this part",
                        "schema": {"type": "integer"},
                    }
                },
            }
        },
    )
    async def get_export(
        caller: Reader,
        start: Annotated[int, Query(alias="from", ge=0, le=2**63 - 1, description="The first entry's position")] = 0,
        limit: Annotated[int, Query(ge=1, le=EXPORT_LIMIT)] = EXPORT_LIMIT,
        disclose: Disclose = True,
    ) -> StreamingResponse:
        """Each part verifies by itself; parts that follow each other may stand in one file."""
        part = await begin_export(databases, caller.tenant, key, start=start, limit=limit)
        headers = {"bezant-next-from": str(part.head.size)} if part.head.size < part.log_size else {}
        lines = export_lines(databases, caller.tenant, part, disclose=disclose)
        return StreamingResponse(lines, media_type="application/jsonl", headers=headers)

    @router.get("/v1/audit/keys", summary="The key that signs heads, and its rotations")
    async def get_keys(_: Reader) -> SigningKeysOut:
        return SigningKeysOut.of(await key.get())


def _witness_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("/v1/audit/witnesses", summary="Who may co-sign the log's heads")
    async def get_witnesses(caller: Reader) -> WitnessesOut:
        return WitnessesOut(data=[WitnessOut.of(each) for each in await list_witnesses(databases, caller.tenant)])

    @router.post("/v1/audit/witnesses", summary="Add a witness", status_code=status.HTTP_201_CREATED)
    async def post_witness(body: WitnessIn, caller: Writer) -> WitnessOut:
        return WitnessOut.of(await add_witness(databases, caller.tenant, body.verifier_key, actor=caller.actor))

    @router.delete("/v1/audit/witnesses/{name}", summary="Remove a witness", status_code=status.HTTP_204_NO_CONTENT)
    async def delete_witness(name: str, caller: Writer) -> None:
        """What it has co-signed stays under the heads."""
        await remove_witness(databases, caller.tenant, name, actor=caller.actor)

    @router.post("/v1/audit/cosignatures", summary="Put a witness's signature under a head")
    async def post_cosignature(body: CosignatureIn, caller: Reader) -> TreeHeadOut:
        """A key that may read is enough: what counts is the signature of a witness that was added."""
        head = await take_cosignature(databases, caller.tenant, tree_size=body.tree_size, cosignature=body.cosignature)
        return TreeHeadOut.of(head)
