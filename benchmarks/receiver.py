"""A webhook receiver that does as little as possible: it counts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Call = Callable[..., Awaitable[tuple[int, Any]]]
"""Sends a request: method, path, API key, body; returns status and document."""


class CountingReceiver:
    """Answers 204 to everything and counts the distinct messages."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._runner: web.ServerRunner | None = None
        self._url = ""

    @property
    def received(self) -> int:
        """How many distinct messages have arrived."""
        return len(self._seen)

    async def __aenter__(self) -> Self:
        async def answer(request: web.BaseRequest) -> web.Response:
            await request.read()
            self._seen.add(request.headers["webhook-id"])
            return web.Response(status=204)

        self._runner = web.ServerRunner(web.Server(answer))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def subscribe_with(self, call: Call, api_key: str) -> None:
        """Have the tenant's payment events sent here."""
        status, answer = await call(
            "POST", "/v1/webhook-endpoints", api_key, {"url": self._url, "event_filters": ["payment.*"]}
        )
        assert status == 201, answer

    async def until(self, count: int, *, timeout_seconds: float) -> None:
        """Wait until that many have arrived. Raises `TimeoutError`."""
        deadline = time.monotonic() + timeout_seconds
        while self.received < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.received} of {count} webhooks have arrived")
            await asyncio.sleep(0.05)
