"""The public audit API."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from bezant.contracts.annotations import Instant, Text
from bezant.contracts.problems import InvalidCursor
from bezant.foundation.http import Page, decode_cursor, encode_cursor, require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.audit.api.schemas import (
    ConsistencyProofOut,
    CurrentTreeHeadOut,
    EntryOut,
    InclusionProofOut,
    TreeHeadOut,
    TreeHeadsOut,
)
from bezant.services.audit.domain.entries import EntryFilter
from bezant.services.audit.operations.prove import prove_consistency, prove_inclusion
from bezant.services.audit.operations.read_entries import list_entries, read_entry
from bezant.services.audit.operations.sign_tree_head import list_tree_heads, read_tree_head
from bezant.services.audit.storage.tree_head_key import TreeHeadKey

Reader = Annotated[Caller, Depends(require("audit:read"))]
_MAX_SIZE = 2**63 - 1
Size = Annotated[int, Query(ge=0, le=_MAX_SIZE)]
# Verifiers read whole logs, so pages may be larger here than elsewhere.
EntryLimit = Annotated[int, Query(ge=1, le=1_000, description="How many to return at most")]


async def _filter(
    type: Annotated[Text | None, Query(max_length=100, description="Event type")] = None,
    subject: Annotated[Text | None, Query(max_length=200)] = None,
    actor: Annotated[Text | None, Query(max_length=200)] = None,
    occurred_from: Instant | None = None,
    occurred_before: Instant | None = None,
) -> EntryFilter:
    return EntryFilter(type, subject, actor, occurred_from, occurred_before)


Filter = Annotated[EntryFilter, Depends(_filter)]


def public_router(databases: TenantDatabases, key: TreeHeadKey) -> APIRouter:
    """Return the routes under /v1/audit."""
    router = APIRouter(prefix="/v1/audit", tags=["audit"])
    _entry_routes(router, databases)
    _tree_routes(router, databases, key)
    return router


def _entry_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("/entries", summary="List entries, oldest first")
    async def get_entries(
        caller: Reader, wanted: Filter, limit: EntryLimit = 50, cursor: str | None = None
    ) -> Page[EntryOut]:
        entries = await list_entries(
            databases,
            caller.tenant,
            wanted=wanted,
            from_position=_position_after(cursor),
            limit=limit + 1,
        )
        page = entries[:limit]
        following = encode_cursor(UUID(int=page[-1].position)) if len(entries) > limit else None
        return Page(data=[EntryOut.of(entry) for entry in page], next_cursor=following)

    @router.get("/entries/{entry_id}", summary="One entry")
    async def get_entry(entry_id: UUID, caller: Reader) -> EntryOut:
        return EntryOut.of(await read_entry(databases, caller.tenant, entry_id))


def _tree_routes(router: APIRouter, databases: TenantDatabases, key: TreeHeadKey) -> None:
    @router.get("/tree-head", summary="The signed head of the log as it is now")
    async def get_tree_head(caller: Reader) -> CurrentTreeHeadOut:
        head, signing = await read_tree_head(databases, caller.tenant, key)
        return CurrentTreeHeadOut(
            **TreeHeadOut.of(head).model_dump(), public_key=signing.public, key_rotations=signing.rotations
        )

    @router.get("/tree-heads", summary="Heads signed so far, newest first")
    async def get_tree_heads(caller: Reader, limit: EntryLimit = 50, before: Size | None = None) -> TreeHeadsOut:
        heads = await list_tree_heads(databases, caller.tenant, before=before, limit=limit + 1)
        page = heads[:limit]
        return TreeHeadsOut(
            data=[TreeHeadOut.of(head) for head in page],
            next_before=page[-1].size if len(heads) > limit else None,
        )

    @router.get("/proofs/inclusion", summary="That an entry is in the log")
    async def get_inclusion(caller: Reader, entry_id: UUID, tree_size: Size | None = None) -> InclusionProofOut:
        return InclusionProofOut.of(await prove_inclusion(databases, caller.tenant, entry_id, tree_size))

    @router.get("/proofs/consistency", summary="That the log extends an earlier one")
    async def get_consistency(
        caller: Reader,
        from_size: Annotated[int, Query(alias="from", ge=0, le=_MAX_SIZE)],
        to_size: Annotated[int | None, Query(alias="to", ge=0, le=_MAX_SIZE)] = None,
    ) -> ConsistencyProofOut:
        return ConsistencyProofOut.of(await prove_consistency(databases, caller.tenant, from_size, to_size))


def _position_after(cursor: str | None) -> int:
    last = decode_cursor(cursor)
    if last is None:
        return 0
    if last.int >= _MAX_SIZE:
        raise InvalidCursor("this cursor did not come from this list; start again without one")
    return last.int + 1
