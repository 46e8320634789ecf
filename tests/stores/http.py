"""A service's HTTP interface on a loopback port, behind the real edge, with API keys that a test gives out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import uvicorn
from fastapi import APIRouter

from bezant.contracts.problems import Unauthenticated
from bezant.foundation.admission import Admission
from bezant.foundation.http import create_app
from bezant.foundation.http.health import Health
from bezant.foundation.identity.api_keys import DEFAULT_SCOPES, Caller
from bezant.foundation.identity.internal_tokens import TokenVerifier, new_signing_key

from .fixtures import Stores, free_port


@dataclass
class Keys:
    """Knows the keys of a test."""

    callers: dict[str, Caller] = field(default_factory=dict)

    def give(self, tenant_id: UUID | None, *scopes: str) -> str:
        key = f"key-{len(self.callers)}"
        self.callers[f"Bearer {key}"] = Caller(key, tenant_id, frozenset(scopes or DEFAULT_SCOPES))
        return key

    async def authenticate(self, authorization: str | None) -> Caller:
        if authorization not in self.callers:
            raise Unauthenticated("unknown key")
        return self.callers[authorization]

    def known(self, authorization: str) -> Caller | None:
        return self.callers.get(authorization)


class _NoLimit:
    async def admit(self, tenant_id: UUID, rate: int) -> None:
        """Everything may pass."""


@dataclass
class Api:
    """A running service."""

    base_url: str
    keys: Keys
    session: aiohttp.ClientSession

    async def call(self, key: str, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        async with self.session.request(
            method,
            self.base_url + path,
            json=body,
            params={name.rstrip("_"): str(value) for name, value in query.items()},
            headers={"authorization": f"Bearer {key}"},
        ) as response:
            text = await response.text()
            return response.status, await response.json(content_type=None) if text else None


@asynccontextmanager
async def serving(
    service: str, routers: Sequence[APIRouter], stores: Stores, *, admission: Admission | None = None
) -> AsyncIterator[Api]:
    health = Health()
    health.started = True
    keys = Keys()
    app = create_app(
        service,
        routers,
        health=health,
        api_keys=keys,  # type: ignore[arg-type]
        directory=stores.directory,  # type: ignore[arg-type]
        rate_limiter=_NoLimit(),  # type: ignore[arg-type]
        token_verifier=TokenVerifier(service, {service: new_signing_key()[1]}),
        body_limit_bytes=1 << 20,
        admission=admission,
    )
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.005)
    try:
        async with aiohttp.ClientSession() as session:
            yield Api(f"http://127.0.0.1:{port}", keys, session)
    finally:
        server.should_exit = True
        await running
