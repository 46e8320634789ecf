"""Routes of the tenant service."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request

from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.http import Page, caller_of, decode_cursor, encode_cursor, page_limit, require
from bezant.foundation.idempotency import fingerprint, optional_key, required_key
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.internal_calls import InternalCalls
from bezant.services.tenant.api.schemas import (
    ApiKeyAnswer,
    ApiKeyList,
    ApiKeyRequest,
    KeyRotationRequest,
    NewApiKeyAnswer,
    OperationAnswer,
    PoliciesRequest,
    RegistrationAnswer,
    RotatedKeyAnswer,
    StepAnswer,
    TenantAnswer,
    TenantRequest,
    TenantStatus,
)
from bezant.services.tenant.domain.problems import TierNotOffered
from bezant.services.tenant.domain.steps import Kind
from bezant.services.tenant.operations import read_tenants
from bezant.services.tenant.operations.change_status import change_status
from bezant.services.tenant.operations.close_tenant import close_tenant
from bezant.services.tenant.operations.manage_api_keys import (
    create_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
)
from bezant.services.tenant.operations.register_tenant import NewTenant, register_tenant
from bezant.services.tenant.operations.rotate_credentials import rotate_credentials
from bezant.services.tenant.operations.set_policies import set_policies
from bezant.services.tenant.sagas.runner import SagaRunner

Admin = Annotated[Caller, Depends(require("admin"))]
PlatformReader = Annotated[Caller, Depends(require("platform:read"))]
PlatformWriter = Annotated[Caller, Depends(require("platform:write"))]
KeyId = Annotated[str, Path(pattern="^[a-z0-9]{12}$")]


def _tenant(tenant: read_tenants.Tenant) -> TenantAnswer:
    return TenantAnswer.model_validate(asdict(tenant))


def _operation(state: read_tenants.OperationState) -> OperationAnswer:
    duration = None if state.finished_at is None else (state.finished_at - state.started_at).total_seconds() * 1000
    return OperationAnswer.model_validate(
        {
            **asdict(state),
            "duration_ms": None if duration is None else round(duration),
            "steps": [StepAnswer.model_validate(asdict(step)) for step in state.steps],
        }
    )


def tenant_routes(
    control: ControlDatabase,
    runner: SagaRunner,
    internal: InternalCalls,
    *,
    tiers: frozenset[str],
    announce: Callable[[], None],
) -> APIRouter:
    """Return the routes below `/v1/tenants`. `announce` has the events of a change published at once."""
    router = APIRouter(tags=["tenants"])

    @router.post("/v1/tenants", status_code=202)
    async def register(
        request: Request, body: TenantRequest, caller: Admin, key: Annotated[str, Depends(required_key)]
    ) -> RegistrationAnswer:
        """Register a tenant. Its database is provisioned in the background; watch `onboarding`."""
        refuse_card_numbers(name=body.name)
        if body.tier not in tiers:
            raise TierNotOffered(f"this deployment offers the tiers {', '.join(sorted(tiers))}, not {body.tier}")
        wanted = NewTenant(
            name=body.name,
            slug=body.slug,
            tier=body.tier,
            default_currency=body.default_currency,
            rate_limit_per_second=body.rate_limit_per_second,
            policies=body.policies.model_dump(),
        )
        tenant_id, api_key = await register_tenant(
            control,
            runner,
            wanted,
            actor=caller.actor,
            key=key,
            request_fingerprint=fingerprint("POST", "/v1/tenants", await request.body()),
        )
        tenant = await read_tenants.get_tenant(control, tenant_id)
        return RegistrationAnswer(
            id=tenant_id,
            slug=tenant.slug,
            status=tenant.status,
            api_key=api_key,
            onboarding=f"/v1/tenants/{tenant_id}/onboarding",
        )

    @router.get("/v1/tenants")
    async def list_all(
        caller: PlatformReader, limit: page_limit = 50, cursor: str | None = None, status: TenantStatus | None = None
    ) -> Page[TenantAnswer]:
        """List tenants, oldest first."""
        tenants = await read_tenants.list_tenants(control, after=decode_cursor(cursor), limit=limit + 1, status=status)
        more = len(tenants) > limit
        return Page(
            data=[_tenant(tenant) for tenant in tenants[:limit]],
            next_cursor=encode_cursor(tenants[limit - 1].id) if more else None,
        )

    @router.get("/v1/tenants/{tenant_id}")
    async def get_one(tenant_id: UUID, caller: PlatformReader) -> TenantAnswer:
        """Return one tenant."""
        return _tenant(await read_tenants.get_tenant(control, tenant_id))

    @router.get("/v1/tenants/{tenant_id}/onboarding")
    async def onboarding(tenant_id: UUID, caller: PlatformReader) -> OperationAnswer:
        """Return the onboarding's steps with their times."""
        return _operation(await read_tenants.get_latest_operation(control, tenant_id, Kind.ONBOARDING))

    @router.get("/v1/tenants/{tenant_id}/operations/{kind}")
    async def operation(tenant_id: UUID, kind: Kind, caller: PlatformReader) -> OperationAnswer:
        """Return the latest onboarding, rotation or offboarding with its steps."""
        return _operation(await read_tenants.get_latest_operation(control, tenant_id, kind))

    @router.post("/v1/tenants/{tenant_id}/suspend")
    async def suspend(tenant_id: UUID, caller: PlatformWriter) -> TenantAnswer:
        """Suspend a tenant: it can be read and not changed until it is resumed."""
        await change_status(control, tenant_id, "suspended", actor=caller.actor)
        announce()
        return _tenant(await read_tenants.get_tenant(control, tenant_id))

    @router.post("/v1/tenants/{tenant_id}/resume")
    async def resume(tenant_id: UUID, caller: PlatformWriter) -> TenantAnswer:
        """Resume a suspended tenant."""
        await change_status(control, tenant_id, "active", actor=caller.actor)
        announce()
        return _tenant(await read_tenants.get_tenant(control, tenant_id))

    @router.put("/v1/tenants/{tenant_id}/policies")
    async def policies(tenant_id: UUID, body: PoliciesRequest, caller: Admin) -> TenantAnswer:
        """Replace the tenant's policies and, if given, its rate limit."""
        await set_policies(
            control, tenant_id, body.policies.model_dump(), body.rate_limit_per_second, actor=caller.actor
        )
        announce()
        return _tenant(await read_tenants.get_tenant(control, tenant_id))

    @router.post("/v1/tenants/{tenant_id}/rotate-credentials", status_code=202)
    async def rotate(
        tenant_id: UUID, caller: PlatformWriter, key: Annotated[str | None, Depends(optional_key)]
    ) -> OperationAnswer:
        """Give every service a new database credential for this tenant, without interrupting it."""
        operation_id = await rotate_credentials(control, runner, tenant_id, actor=caller.actor, key=key)
        return _operation(await read_tenants.get_operation(control, tenant_id, operation_id))

    @router.delete("/v1/tenants/{tenant_id}", status_code=202)
    async def close(tenant_id: UUID, caller: Admin) -> OperationAnswer:
        """Close a suspended tenant in which no money is left, and remove its data."""
        await close_tenant(control, runner, internal, tenant_id, actor=caller.actor)
        announce()
        return _operation(await read_tenants.get_latest_operation(control, tenant_id, Kind.OFFBOARDING))

    return router


def api_key_routes(control: ControlDatabase, *, announce: Callable[[], None]) -> APIRouter:
    """Return the routes below `/v1/api-keys`. `announce` has the events of a change published at once."""
    router = APIRouter(tags=["api keys"])

    @router.post("/v1/api-keys", status_code=201)
    async def create(body: ApiKeyRequest, caller: Annotated[Caller, Depends(caller_of)]) -> NewApiKeyAnswer:
        """Make an API key. The key is in the answer and nowhere else."""
        key_id, api_key = await create_api_key(
            control, caller, tenant_id=body.tenant_id, name=body.name, scopes=body.scopes, expires_at=body.expires_at
        )
        announce()
        return NewApiKeyAnswer(key_id=key_id, api_key=api_key)

    @router.post("/v1/api-keys/{key_id}/rotate", status_code=201)
    async def rotate(
        key_id: KeyId, caller: Annotated[Caller, Depends(caller_of)], body: KeyRotationRequest | None = None
    ) -> RotatedKeyAnswer:
        """Make a key with the same name and scopes. The old one goes on working until the overlap is over."""
        wanted = body or KeyRotationRequest()
        rotated = await rotate_api_key(
            control, caller, key_id, overlap_seconds=wanted.overlap_seconds, expires_at=wanted.expires_at
        )
        announce()
        return RotatedKeyAnswer.model_validate(asdict(rotated))

    @router.get("/v1/api-keys")
    async def list_all(caller: Annotated[Caller, Depends(caller_of)], tenant_id: UUID | None = None) -> ApiKeyList:
        """List a tenant's keys, revoked ones too."""
        keys = await list_api_keys(control, caller, tenant_id)
        return ApiKeyList(data=[ApiKeyAnswer.model_validate(asdict(key)) for key in keys])

    @router.delete("/v1/api-keys/{key_id}", status_code=204)
    async def revoke(key_id: KeyId, caller: Annotated[Caller, Depends(caller_of)]) -> None:
        """Revoke a key. It stops working on every instance within 30 seconds."""
        await revoke_api_key(control, caller, key_id)
        announce()

    return router
