"""The calling side of internal calls."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import aiohttp
import msgspec
from aiohttp.resolver import ThreadedResolver
from opentelemetry import propagate

from bezant.contracts.problems import DeadlinePassed, InternalCallFailed, Overloaded, TenantUnavailable
from bezant.foundation.deadlines import current_deadline, has_passed, passed, remaining_milliseconds
from bezant.foundation.identity.internal_tokens import TokenSigner
from bezant.foundation.internal_calls.wire import CallRequest, Part, PartAnswer, encoder
from bezant.foundation.settings import Settings
from bezant.foundation.telemetry.metrics import DEADLINE_DROPS, INTERNAL_CALLS

Result = TypeVar("Result")
_log = logging.getLogger(__name__)
_MAX_PARTS = 64
_IN_FLIGHT = 2
# A call whose first part has not come back by then no longer holds up the next one: some tenant's
# database is slow, and that is nobody else's business.
_SLOT_SECONDS = 0.02


class _PendingPart:
    __slots__ = ("deadline", "future", "part")

    def __init__(self, part: Part[Any], future: "asyncio.Future[list[Any]]", deadline: float | None) -> None:
        self.part = part
        self.future = future
        self.deadline = deadline


class _Lane:
    """One operation of one service: gathers parts while calls are in flight."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, audience: str, operation: str, result_type: Any
    ) -> None:
        self._session = session
        self._url = url
        self._decoder = msgspec.json.Decoder(PartAnswer[result_type])
        self._pending: list[_PendingPart] = []
        self._busy = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.heard_at = 0.0
        """When the service last answered anything here, on the monotonic clock."""
        self._dropped = DEADLINE_DROPS.labels(place=f"call {operation}")
        self._done = INTERNAL_CALLS.labels(audience=audience, operation=operation, outcome="answered")
        self._failed = INTERNAL_CALLS.labels(audience=audience, operation=operation, outcome="failed")

    def add(self, pending: _PendingPart) -> None:
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.append(pending)

    def _flush(self) -> None:
        while self._pending and self._busy < _IN_FLIGHT:
            group, self._pending = self._pending[:_MAX_PARTS], self._pending[_MAX_PARTS:]
            group = [pending for pending in group if self._is_waited_for(pending)]
            if not group:
                continue
            self._busy += 1
            task = asyncio.create_task(self._send(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_waited_for(self, pending: _PendingPart) -> bool:
        """Whether a part is worth sending; whoever gave it up, or whose deadline has passed, is told so."""
        if not pending.future.done():
            if not has_passed(pending.deadline):
                return True
            pending.future.set_exception(passed())
        self._dropped.inc()
        return False

    async def _send(self, group: list[_PendingPart]) -> None:
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._busy -= 1
                self._flush()

        timer = asyncio.get_running_loop().call_later(_SLOT_SECONDS, release)
        reason = "did not answer"
        kind: type[InternalCallFailed | Overloaded] = InternalCallFailed
        try:
            for _ in range(2):
                # A pooled connection may have been closed by the other side as we wrote: operations are
                # idempotent, so that what was not answered is sent once more.
                group = [pending for pending in group if not pending.future.done()]
                if not group:
                    break
                try:
                    await self._attempt(group, release)
                except aiohttp.ClientResponseError as error:
                    reason = f"answered {error.status}"
                    if error.headers is not None and "x-envoy-overloaded" in error.headers:
                        # the gateway's or the mesh's own bound on requests under way; nothing was passed on
                        kind = Overloaded
                    break
                except TimeoutError:
                    # Before its bases (aiohttp's is a ClientError too, the builtin an OSError): what took too long
                    # once is not asked a second time.
                    reason = "did not answer in time"
                    break
                except (aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
                    reason = f"did not answer ({type(error).__name__})"
        finally:
            timer.cancel()
            release()
            for pending in group:
                if not pending.future.done():
                    self._failed.inc()
                    pending.future.set_exception(
                        kind(
                            f"{self._url.rsplit('/v1/', 1)[-1]} {reason}; send the request again with the same "
                            "Idempotency-Key",
                            retry_after_seconds=1,
                        )
                    )

    async def _attempt(self, group: list[_PendingPart], release: Any) -> None:
        # What is left of a deadline is counted from here, when the part leaves.
        parts = [
            pending.part
            if pending.deadline is None
            else msgspec.structs.replace(pending.part, deadline_milliseconds=remaining_milliseconds(pending.deadline))
            for pending in group
        ]
        body = encoder.encode(CallRequest(parts))
        async with self._session.post(self._url, data=body) as response:
            response.raise_for_status()
            async for line in response.content:
                self._settle(group, self._decoder.decode(line))
                release()

    async def ask_for_a_sign(self, timeout_seconds: float) -> bool:
        """Send a call without parts. Returns whether the service itself answered it."""
        limit = aiohttp.ClientTimeout(total=timeout_seconds)
        try:
            async with self._session.post(self._url, data=encoder.encode(CallRequest([])), timeout=limit) as response:
                await response.read()
                if response.status >= 500:
                    return False
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        self.heard_at = time.monotonic()
        return True

    def _settle(self, group: list[_PendingPart], answer: PartAnswer[Any]) -> None:
        self.heard_at = time.monotonic()
        future = group[answer.part].future
        if future.done():
            return
        if answer.problem is None:
            self._done.inc()
            future.set_result(answer.results or [])
        elif answer.problem.code == "tenant_unavailable":
            future.set_exception(
                TenantUnavailable(answer.problem.detail, retry_after_seconds=answer.problem.retry_after_seconds)
            )
        elif answer.problem.code in (Overloaded.code, DeadlinePassed.code):
            # The service is up and has too much to do: not the same as one that fails.
            self._failed.inc()
            told = Overloaded if answer.problem.code == Overloaded.code else DeadlinePassed
            future.set_exception(told(answer.problem.detail, retry_after_seconds=1))
        else:
            self._failed.inc()
            _log.warning("%s answered %s: %s", self._url, answer.problem.code, answer.problem.detail)
            future.set_exception(InternalCallFailed(answer.problem.detail, retry_after_seconds=1))


class InternalCalls:
    """Calls other services as this one."""

    def __init__(self, settings: Settings, signer: TokenSigner) -> None:
        self._settings = settings
        self._signer = signer
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        audience: str,
        operation: str,
        tenant_id: UUID,
        items: Sequence[Any],
        result_type: type[Result] | Any,
        *,
        timeout_seconds: float | None = None,
    ) -> list[Result]:
        """Return the results of one tenant's items, in their order.

        `operation` is the path below `/internal/v1/`. Raises `InternalCallFailed` when what became of the items
        is not known, `TenantUnavailable` when the tenant's database does not answer, and `TimeoutError` after
        `timeout_seconds`, if given. `Overloaded` and `DeadlinePassed` say that the work was not begun.

        The called service is told until when somebody waits: the deadline of the work in hand, or the end of
        `timeout_seconds` if that comes first.
        """
        lane = self._lane(audience, operation, result_type)
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        part = Part(tenant_id, self._signer.token(audience, tenant_id), list(items), carrier.get("traceparent"))
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        deadline = current_deadline()
        if timeout_seconds is not None:
            timeout_at = time.monotonic() + timeout_seconds
            deadline = timeout_at if deadline is None else min(deadline, timeout_at)
        lane.add(_PendingPart(part, future, deadline))
        async with asyncio.timeout(timeout_seconds):
            results = await future
        if len(results) != len(items):
            raise InternalCallFailed(f"{operation} answered {len(results)} results for {len(items)} items")
        return results

    def heard_at(self, audience: str, operation: str) -> float:
        """Return when the service last answered a call of this operation, on the monotonic clock; 0 for never."""
        lane = self._lanes.get((audience, operation))
        return 0.0 if lane is None else lane.heard_at

    async def ask_for_a_sign(self, audience: str, operation: str, *, timeout_seconds: float) -> bool:
        """Ask the service for nothing, by the way that calls of this operation take; whether it answered at all.

        A call without parts costs the service next to nothing, and every version of it answers one.
        """
        lane = self._lanes.get((audience, operation))
        if lane is None:
            raise ValueError(f"{operation} of {audience} was never called")
        return await lane.ask_for_a_sign(timeout_seconds)

    def _lane(self, audience: str, operation: str, result_type: Any) -> _Lane:
        key = (audience, operation)
        lane = self._lanes.get(key)
        if lane is None:
            if self._session is None:
                self._session = aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=self._settings.internal_timeout_seconds, connect=1.0),
                    # the system knows the names of our own network
                    connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, resolver=ThreadedResolver()),
                    headers={"content-type": "application/json"},
                    read_bufsize=1 << 20,
                )
            url = f"{self._settings.internal_url}/internal/v1/{operation}"
            lane = self._lanes[key] = _Lane(self._session, url, audience, operation, result_type)
        return lane

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
