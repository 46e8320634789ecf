"""The synchronous client, for scripts and for programs without an event loop."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import urllib3

from bezant.client.generated.synchronous import Api
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


class BezantSyncClient(Api):
    """Sends requests to the gateway. Safe to share between threads.

    Every operation of the API is a method of its resource (`client.payments.create(...)`); `get`, `post`, `put`,
    `patch` and `delete` take any path.
    """

    def __init__(self, url: str, api_key: str | None, *, timeout_seconds: float = 30.0) -> None:
        super().__init__(self)
        self._url = url.rstrip("/")
        self._headers = client_headers(api_key)
        # Repetitions are ours: they know Idempotency-Keys and problems.
        self._pool = urllib3.PoolManager(maxsize=32, timeout=timeout_seconds, retries=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def get(self, path: str, **query: Any) -> Any:
        """Return a resource or a page. Raises `ApiProblem`, `urllib3.exceptions.HTTPError`."""
        return self.send("GET", path, query=query)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """Create or change something; `key` is the Idempotency-Key, made here if not given."""
        return self.send("POST", path, body=body, idempotency_key=key)

    def put(self, path: str, body: Any) -> Any:
        """Replace something."""
        return self.send("PUT", path, body=body)

    def patch(self, path: str, body: Any) -> Any:
        """Change something."""
        return self.send("PATCH", path, body=body)

    def delete(self, path: str) -> Any:
        """Remove something."""
        return self.send("DELETE", path)

    def pages(self, path: str, *, query: Query | None = None, limit: int = 200, **more: Any) -> Iterator[Any]:
        """Yield every item of a list, page by page."""
        filters = page_filters(query, more, limit=limit)
        cursor: str | None = None
        while True:
            items, cursor = page_of(self.send("GET", path, query=filters | {"cursor": cursor}))
            yield from items
            if cursor is None:
                return

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Query | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Return the decoded answer. Raises `ApiProblem` for 4xx and 5xx after the retries, `urllib3` errors."""
        return decoded(
            self._settled(
                prepared(method, path, headers=self._headers, body=body, query=query, idempotency_key=idempotency_key)
            )
        )

    def download(self, method: str, path: str, *, query: Query | None = None) -> bytes:
        """Return the answer's bytes. Raises like `send`."""
        return self._settled(prepared(method, path, headers=self._headers, query=query))

    def _settled(self, request: PreparedRequest) -> bytes:
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._attempt(request)
            except urllib3.exceptions.HTTPError:
                wait_seconds = wait_before_next(attempt, None)
                if wait_seconds is None:
                    raise
            else:
                wait_seconds = wait_before_next(attempt, answer)
                if wait_seconds is None:
                    return body_of(answer)
            time.sleep(wait_seconds)

    def _attempt(self, request: PreparedRequest) -> Answer:
        response = self._pool.request(
            request.method, self._url + request.target, body=request.body, headers=dict(request.headers)
        )
        return Answer(response.status, response.headers.get("retry-after"), response.data)
