"""What both clients share: how a request is written, what is sent again and when, how an answer is read.

A request that got no answer, 429 or a 5xx that says so is sent again with the same Idempotency-Key, so that it takes
effect once; waits follow Retry-After (RFC 9110 section 10.2.3), or grow with jitter.
"""

import random
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import msgspec

from bezant.contracts.json_text import UNREADABLE

ATTEMPTS = 6
UNREADABLE_ANSWER = "unreadable_answer"
"""The `code` of the problem that an answer is not Bezant's: a proxy's page, or another server at the address."""
_RETRIED = frozenset({429, 502, 503, 504})
_LONGEST_WAIT_SECONDS = 5.0

Query = Mapping[str, Any]


class ApiProblem(Exception):
    """The API refused: an RFC 9457 problem. `code` is stable, `detail` says what to do."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(document.get("code", "unknown"))
        self.detail = str(document.get("detail", ""))
        self.document = dict(document)
        super().__init__(f"{status} {self.code}: {self.detail}")


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request as it goes out, the same at every attempt."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    retry_after: str | None
    body: bytes


class AsyncRequests(Protocol):
    """What the generated operations need of the asynchronous client."""

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Query | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Return the decoded answer. Raises `ApiProblem`."""

    async def download(self, method: str, path: str, *, query: Query | None = None) -> bytes:
        """Return the answer's bytes. Raises `ApiProblem`."""

    def pages(self, path: str, *, query: Query | None = None) -> AsyncIterator[Any]:
        """Yield every item of a list."""


class Requests(Protocol):
    """What the generated operations need of the synchronous client."""

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Query | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Return the decoded answer. Raises `ApiProblem`."""

    def download(self, method: str, path: str, *, query: Query | None = None) -> bytes:
        """Return the answer's bytes. Raises `ApiProblem`."""

    def pages(self, path: str, *, query: Query | None = None) -> Iterator[Any]:
        """Yield every item of a list."""


def path_of(template: str, **parameters: UUID | str) -> str:
    """Return a path with its parameters filled in, each as one segment whatever it holds."""
    return template.format_map({name: quote(str(value), safe="") for name, value in parameters.items()})


def client_headers(api_key: str | None) -> dict[str, str]:
    """Return the headers of every request. Without a key only what needs none can be asked: signing in."""
    headers = {"content-type": "application/json"}
    return headers if api_key is None else {**headers, "authorization": f"Bearer {api_key}"}


def page_filters(query: Query | None, more: Query, *, limit: int) -> dict[str, Any]:
    """Return the query of a list's first page; each later page adds its cursor."""
    given = {**(query or {}), **more}
    return {"limit": limit} | {name: value for name, value in given.items() if value is not None}


def prepared(
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: Any = None,
    query: Query | None = None,
    idempotency_key: str | None = None,
) -> PreparedRequest:
    """Return the request to send. A POST without a key gets one, made here."""
    if method == "POST":
        headers = {**headers, "idempotency-key": idempotency_key or str(uuid4())}
    given = [
        (name, _written(one))
        for name, value in (query or {}).items()
        if value is not None
        for one in (value if isinstance(value, list) else [value])
    ]
    return PreparedRequest(
        method=method,
        target=f"{path}?{urlencode(given)}" if given else path,
        headers=headers,
        body=None if body is None else msgspec.json.encode(body),
    )


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def wait_before_next(attempt: int, answer: Answer | None) -> float | None:
    """Return the seconds to wait before attempt `attempt + 1`, or None when the answer stands or attempts are used up.

    `answer` is None when the connection broke.
    """
    if attempt >= ATTEMPTS or (answer is not None and answer.status not in _RETRIED):
        return None
    wait_seconds: float = min(_LONGEST_WAIT_SECONDS, 0.1 * 2**attempt) * random.uniform(0.5, 1.0)
    asked_for = answer.retry_after if answer is not None else None
    return max(wait_seconds, float(asked_for)) if asked_for is not None and asked_for.isdigit() else wait_seconds


def body_of(answer: Answer) -> bytes:
    """Return the bytes of a good answer. Raises `ApiProblem` for any other."""
    if answer.status < 400:
        return answer.body
    try:
        document = msgspec.json.decode(answer.body)
    except UNREADABLE as error:
        raise _unreadable(answer.status, answer.body) from error
    if not isinstance(document, dict) or "code" not in document:
        raise _unreadable(answer.status, answer.body)
    raise ApiProblem(answer.status, document)


def decoded(body: bytes) -> Any:
    """Return what a body says; None for an empty one. Raises `ApiProblem` for what is no JSON."""
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except UNREADABLE as error:
        raise _unreadable(200, body) from error


def page_of(answer: Any) -> tuple[list[Any], str | None]:
    """Return the items of a page and the cursor of the next. Raises `ApiProblem` for what is no page of a list."""
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise _unreadable(200, msgspec.json.encode(answer))
    return answer["data"], answer.get("next_cursor")


def _unreadable(status: int, body: bytes) -> ApiProblem:
    beginning = " ".join(body[:200].decode("utf-8", "replace").split())
    detail = f"the answer is not one of Bezant's API; is the address right? It begins: {beginning}"
    return ApiProblem(status, {"code": UNREADABLE_ANSWER, "detail": detail})
