"""Routes of people, their sign-ins and sessions, and of what administrators did."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.http import Page, caller_of, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.identity.api_keys import Caller
from bezant.services.tenant.api.people_schemas import (
    ActAnswer,
    CurrentSession,
    OperatorAnswer,
    OperatorList,
    OperatorRequest,
    SessionAnswer,
    SignInAnswer,
    SignInCompletion,
    SignInRequest,
)
from bezant.services.tenant.operations.manage_operators import add_operator, list_operators, remove_operator
from bezant.services.tenant.operations.read_acts import read_acts
from bezant.services.tenant.operations.sign_in import SignIn

AnyCaller = Annotated[Caller, Depends(caller_of)]
PlatformReader = Annotated[Caller, Depends(require("platform:read"))]


def people_routes(control: ControlDatabase, *, announce: Callable[[], None]) -> APIRouter:
    """Return the routes below `/v1/operators` and `/v1/administrative-acts`."""
    router = APIRouter(tags=["people"])

    @router.post("/v1/operators", status_code=201)
    async def add(body: OperatorRequest, caller: AnyCaller) -> OperatorAnswer:
        """Let a person sign in with the identity provider, by their verified mail address."""
        refuse_card_numbers(email=body.email)
        added = await add_operator(control, caller, email=body.email, role=body.role, tenant_id=body.tenant_id)
        announce()
        return OperatorAnswer.model_validate(asdict(added))

    @router.get("/v1/operators")
    async def list_all(caller: AnyCaller, tenant_id: UUID | None = None) -> OperatorList:
        """List the people of a tenant, or for administrators those of the platform."""
        found = await list_operators(control, caller, tenant_id)
        return OperatorList(data=[OperatorAnswer.model_validate(asdict(operator)) for operator in found])

    @router.delete("/v1/operators/{operator_id}", status_code=204)
    async def remove(operator_id: UUID, caller: AnyCaller) -> None:
        """Let a person sign in no more. Sessions end on every instance within 30 seconds."""
        await remove_operator(control, caller, operator_id)
        announce()

    @router.get("/v1/administrative-acts")
    async def acts(
        caller: PlatformReader, tenant_id: UUID | None = None, limit: page_limit = 50, cursor: str | None = None
    ) -> Page[ActAnswer]:
        """List what administrators did, latest first. What concerns a tenant stands in its audit log as well."""
        found = await read_acts(control, tenant_id=tenant_id, before=decode_cursor(cursor), limit=limit + 1)
        page = found[:limit]
        return Page(
            data=[ActAnswer.model_validate(asdict(act)) for act in page],
            next_cursor=encode_cursor(page[-1].id) if len(found) > limit else None,
        )

    return router


def session_routes(sign_in: SignIn, *, announce: Callable[[], None]) -> APIRouter:
    """Return the routes below `/v1/sign-ins` and `/v1/sessions`. The former need no key: they are how to get one."""
    router = APIRouter(tags=["sessions"])
    without_key: dict[str, Any] = {"security": []}

    @router.post("/v1/sign-ins", status_code=201, openapi_extra=without_key)
    async def begin(body: SignInRequest) -> SignInAnswer:
        """Begin to sign in: send the person to the identity provider."""
        return SignInAnswer.model_validate(
            asdict(await sign_in.begin(redirect_uri=body.redirect_uri, tenant_slug=body.tenant))
        )

    @router.post("/v1/sign-ins/complete", openapi_extra=without_key)
    async def complete(body: SignInCompletion) -> SessionAnswer:
        """Complete a sign-in with what came back to the redirect address."""
        session = await sign_in.complete(sign_in_id=body.id, secret=body.secret, state=body.state, code=body.code)
        announce()
        return SessionAnswer.model_validate(asdict(session))

    @router.get("/v1/sessions/current")
    async def current(caller: AnyCaller) -> CurrentSession:
        """Return who is asking, with a session or a key."""
        return CurrentSession(actor=caller.actor, tenant_id=caller.tenant_id, scopes=sorted(caller.scopes))

    @router.delete("/v1/sessions/current", status_code=204)
    async def sign_out(caller: AnyCaller) -> None:
        """End this session. It stops working on every instance within 30 seconds."""
        await sign_in.sign_out(caller)
        announce()

    return router
