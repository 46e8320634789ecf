"""One connection to the API with one key.

A request that got no answer, 429 or 503 is sent again with the same Idempotency-Key, so that it takes effect
once; waits follow Retry-After, or grow with jitter.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aiohttp
import msgspec

_RETRIED = frozenset({429, 502, 503, 504})
_ATTEMPTS = 6


class ApiProblem(Exception):
    """The API refused: an RFC 9457 problem. `code` is stable, `detail` says what to do."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(document.get("code", "unknown"))
        self.detail = str(document.get("detail", ""))
        self.document = dict(document)
        super().__init__(f"{status} {self.code}: {self.detail}")


class BezantClient:
    """Sends requests to the gateway. Safe to share between tasks."""

    def __init__(self, url: str, api_key: str | None, *, timeout_seconds: float = 30.0) -> None:
        self._url = url.rstrip("/")
        self._headers = {"content-type": "application/json"}
        # Without a key only what needs none can be asked: signing in.
        if api_key is not None:
            self._headers["authorization"] = f"Bearer {api_key}"
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

    async def get(self, path: str, **parameters: Any) -> Any:
        """Return a resource or a page. Raises `ApiProblem`, `aiohttp.ClientError`."""
        query = {name: str(value) for name, value in parameters.items() if value is not None}
        return (await self.request("GET", path, query=query))[1]

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """Create or change something; `key` is the Idempotency-Key, made here if not given."""
        return (await self.request("POST", path, body, key=key or str(uuid4())))[1]

    async def put(self, path: str, body: Any) -> Any:
        """Replace something."""
        return (await self.request("PUT", path, body))[1]

    async def delete(self, path: str) -> Any:
        """Remove something."""
        return (await self.request("DELETE", path))[1]

    async def pages(self, path: str, *, limit: int = 200, **parameters: Any) -> AsyncIterator[Any]:
        """Yield every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = await self.get(path, limit=limit, cursor=cursor, **parameters)
            for item in page["data"]:
                yield item
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Return (status, decoded body). Raises `ApiProblem` for 4xx and 5xx after the retries."""
        headers = self._headers if key is None else {**self._headers, "idempotency-key": key}
        data = None if body is None else msgspec.json.encode(body)
        for attempt in range(1, _ATTEMPTS + 1):
            wait_seconds = min(5.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.0)
            try:
                status, retry_after, raw = await self._send(method, path, data, headers, query)
            except (aiohttp.ClientError, TimeoutError):
                # Without a key a POST may have taken effect: only what can be repeated is.
                if attempt == _ATTEMPTS or (method == "POST" and key is None):
                    raise
            else:
                if status not in _RETRIED or attempt == _ATTEMPTS:
                    return _decoded(status, raw)
                wait_seconds = max(wait_seconds, float(retry_after or 0))
            await asyncio.sleep(wait_seconds)
        raise AssertionError("unreachable")

    async def _send(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], query: Mapping[str, str] | None
    ) -> tuple[int, str | None, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, connector=aiohttp.TCPConnector(limit=256, keepalive_timeout=50)
            )
        async with self._session.request(
            method, self._url + path, data=data, headers=headers, params=query
        ) as response:
            return response.status, response.headers.get("retry-after"), await response.read()


def _decoded(status: int, raw: bytes) -> tuple[int, Any]:
    try:
        document = msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        document = {"code": "unreadable_answer", "detail": raw[:200].decode("utf-8", "replace")}
    if status >= 400:
        raise ApiProblem(status, document if isinstance(document, dict) else {})
    return status, document
