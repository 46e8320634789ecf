"""The asynchronous client: one connection pool to the API with one key."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from bezant.client.generated.asynchronous import AsyncApi
from bezant.client.requests import (
    Answer,
    PreparedRequest,
    Query,
    body_of,
    client_headers,
    decoded,
    page_filters,
    page_of,
    prepared,
    wait_before_next,
)


class BezantClient(AsyncApi):
    """Sends requests to the gateway. Safe to share between tasks.

    Every operation of the API is a method of its resource (`client.payments.create(...)`); `get`, `post`, `put`,
    `patch` and `delete` take any path.
    """

    def __init__(self, url: str, api_key: str | None, *, timeout_seconds: float = 30.0) -> None:
        super().__init__(self)
        self._url = url.rstrip("/")
        self._headers = client_headers(api_key)
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, **query: Any) -> Any:
        """Return a resource or a page. Raises `ApiProblem`, `aiohttp.ClientError`."""
        return await self.send("GET", path, query=query)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """Create or change something; `key` is the Idempotency-Key, made here if not given."""
        return await self.send("POST", path, body=body, idempotency_key=key)

    async def put(self, path: str, body: Any) -> Any:
        """Replace something."""
        return await self.send("PUT", path, body=body)

    async def patch(self, path: str, body: Any) -> Any:
        """Change something."""
        return await self.send("PATCH", path, body=body)

    async def delete(self, path: str) -> Any:
        """Remove something."""
        return await self.send("DELETE", path)

    async def pages(
        self, path: str, *, query: Query | None = None, limit: int = 200, **more: Any
    ) -> AsyncIterator[Any]:
        """Yield every item of a list, page by page."""
        filters = page_filters(query, more, limit=limit)
        cursor: str | None = None
        while True:
            items, cursor = page_of(await self.send("GET", path, query=filters | {"cursor": cursor}))
            for item in items:
                yield item
            if cursor is None:
                return

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Query | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Return the decoded answer. Raises `ApiProblem` for 4xx and 5xx after the retries, `aiohttp.ClientError`."""
        return decoded(
            await self._settled(
                prepared(method, path, headers=self._headers, body=body, query=query, idempotency_key=idempotency_key)
            )
        )

    async def download(self, method: str, path: str, *, query: Query | None = None) -> bytes:
        """Return the answer's bytes. Raises like `send`."""
        return await self._settled(prepared(method, path, headers=self._headers, query=query))

    async def _settled(self, request: PreparedRequest) -> bytes:
        attempt = 0
        while True:
            attempt += 1
            answer: Answer | None = None
            try:
                answer = await self._attempt(request)
            except (aiohttp.ClientError, TimeoutError):
                wait_seconds = wait_before_next(attempt, None)
                if wait_seconds is None:
                    raise
            else:
                wait_seconds = wait_before_next(attempt, answer)
                if wait_seconds is None:
                    return body_of(answer)
            await asyncio.sleep(wait_seconds)

    async def _attempt(self, request: PreparedRequest) -> Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                # names as the rest of the system knows them, whatever else is installed
                connector=aiohttp.TCPConnector(limit=256, keepalive_timeout=50, resolver=ThreadedResolver()),
            )
        url = URL(self._url + request.target, encoded=True)
        headers: Mapping[str, str] = request.headers
        async with self._session.request(request.method, url, data=request.body, headers=headers) as response:
            return Answer(response.status, response.headers.get("retry-after"), await response.read())
