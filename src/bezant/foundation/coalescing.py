"""Coalescing: while one group of a tenant's items is in flight, gather the next.

Under load a group grows by itself to what one set-based statement carries well; without load an item leaves at
once. Groups never mix tenants, so that a tenant whose database is slow holds up nobody else.

After a group has ended, the next one waits for a fraction of the time that it took: the clients that were just
answered send their next requests meanwhile, and join. Without that pause a few clients of a tenant would fall into
alternating small groups, each with the full cost of one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from bezant.foundation.deadlines import current_deadline, deadline, has_passed, passed
from bezant.foundation.telemetry.metrics import DEADLINE_DROPS, GROUP_SIZE

_WORTH_A_GROUP = 16
_PAUSE_FRACTION = 0.2
_LONGEST_PAUSE_SECONDS = 0.025

Item = TypeVar("Item")
Result = TypeVar("Result")
_Waiting = tuple[Item, "asyncio.Future[Result]", float | None]
"""An item, who waits for it, and until when."""


class Coalescer(Generic[Item, Result]):
    """Groups items per tenant. Each submitter gets its own item's result or exception."""

    def __init__(
        self,
        handle_group: Callable[[UUID, list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        stage: str,
        max_group: int = 256,
        max_in_flight: int = 3,
    ) -> None:
        """`handle_group` returns one result or exception for each item, in order; when it raises, all items fail."""
        self._handle_group = handle_group
        self._max_group = max_group
        self._max_in_flight = max_in_flight
        self._queues: dict[UUID, deque[_Waiting[Item, Result]]] = {}
        self._in_flight: dict[UUID, int] = {}
        self._gathering: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sizes = GROUP_SIZE.labels(stage=stage)
        self._dropped = DEADLINE_DROPS.labels(place=stage)

    async def submit(self, tenant_id: UUID, item: Item) -> Result:
        """Return the item's own result once its effect is durable.

        Raises its own exception, and `DeadlinePassed` if nobody waited for it any more when its turn came.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        queue = self._queues.get(tenant_id)
        if queue is None:
            queue = self._queues[tenant_id] = deque()
            # The next turn of the loop: requests that arrived in this one join the group.
            loop.call_soon(self._pump, tenant_id)
        queue.append((item, future, current_deadline()))
        if len(queue) == _WORTH_A_GROUP:
            loop.call_soon(self._pump, tenant_id)
        # Shielded by nature: a client that goes away cancels its own wait, not the group.
        return await future

    def _pump(self, tenant_id: UUID) -> None:
        queue = self._queues.get(tenant_id)
        if queue and tenant_id in self._gathering and len(queue) < _WORTH_A_GROUP:
            return
        while queue and self._in_flight.get(tenant_id, 0) < self._max_in_flight:
            if self._in_flight.get(tenant_id) and len(queue) < _WORTH_A_GROUP:
                # A second group at the same time only when it is a large one.
                return
            group = self._next_group(queue)
            if not group:
                continue
            self._in_flight[tenant_id] = self._in_flight.get(tenant_id, 0) + 1
            task = asyncio.create_task(self._run(tenant_id, group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not queue and tenant_id not in self._in_flight:
            self._queues.pop(tenant_id, None)

    def _next_group(self, queue: "deque[_Waiting[Item, Result]]") -> "list[_Waiting[Item, Result]]":
        """Take the next items off the queue; those that nobody waits for are dropped before anything began."""
        group: list[_Waiting[Item, Result]] = []
        while queue and len(group) < self._max_group:
            waiting = queue.popleft()
            if not has_passed(waiting[2]):
                group.append(waiting)
                continue
            self._dropped.inc()
            if not waiting[1].done():
                waiting[1].set_exception(passed())
        return group

    async def _run(self, tenant_id: UUID, group: "list[_Waiting[Item, Result]]") -> None:
        self._sizes.observe(len(group))
        began = time.monotonic()
        try:
            # The group is worth its work for as long as anybody waits for one of its items.
            until = [at for _, _, at in group if at is not None]
            with deadline(max(until) if len(until) == len(group) else None):
                results = await self._handle_group(tenant_id, [item for item, _, _ in group])
            if len(results) != len(group):
                raise RuntimeError(  # noqa: TRY301
                    f"{len(group)} items went in and {len(results)} results came out"
                )
        except Exception as error:
            results = [error] * len(group)
        finally:
            remaining = self._in_flight[tenant_id] - 1
            if remaining:
                self._in_flight[tenant_id] = remaining
            else:
                del self._in_flight[tenant_id]
        for (_, future, _), result in zip(group, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        self._gather(tenant_id, took_seconds=time.monotonic() - began)

    def _gather(self, tenant_id: UUID, *, took_seconds: float) -> None:
        """Begin the next group after a pause, or at once when nobody waits or enough do."""
        queue = self._queues.get(tenant_id)
        if not queue or len(queue) >= _WORTH_A_GROUP:
            self._pump(tenant_id)
        elif tenant_id not in self._gathering:
            self._gathering.add(tenant_id)
            pause_seconds = min(_LONGEST_PAUSE_SECONDS, took_seconds * _PAUSE_FRACTION)
            asyncio.get_running_loop().call_later(pause_seconds, self._gathered, tenant_id)

    def _gathered(self, tenant_id: UUID) -> None:
        self._gathering.discard(tenant_id)
        self._pump(tenant_id)

    async def drain(self, timeout_seconds: float = 10.0) -> None:
        """Wait until everything that was submitted has been answered; pauses for gathering are cut short."""
        while self._tasks or any(self._queues.values()):
            for tenant_id in list(self._queues):
                self._gathering.discard(tenant_id)
                self._pump(tenant_id)
            _, pending = await asyncio.wait(list(self._tasks), timeout=timeout_seconds)
            if pending:
                return
