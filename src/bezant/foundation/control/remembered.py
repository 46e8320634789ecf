"""What this process remembers of the control database, and for how long it may act on it.

Three ages count, from the moment at which the control database confirmed an answer:

- Up to `fresh_seconds` the answer is used without asking.
- Up to `REVOCATION_SECONDS` the control database is asked again, and a slow one is not waited for.
- After that only a control database that does not answer leaves the old answer in use, for `control_grace_seconds`
  more. It is the outage that the grace is for: a fail-over takes half a minute to some minutes, and nobody can revoke
  a key or suspend a tenant meanwhile.

Past all three nothing is remembered, and whoever asks gets `ControlUnavailable`.

A replica that is one of many sees a tenant rarely. So that the grace holds for every tenant and not only for those that
this replica happened to serve, `learn` reads everything once a minute, a page at a time.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from bezant.contracts.problems import NotFound
from bezant.foundation.control.database import ControlDatabase, ControlUnavailable

K = TypeVar("K")
V = TypeVar("V")

REVOCATION_SECONDS: Final = 30.0
"""Within so long a revocation bites on every instance that the control database answers."""
_PATIENCE_SECONDS: Final = 0.25
_LAST_PATIENCE_SECONDS: Final = 1.0
_CERTAIN_AFTER_SECONDS: Final = 1.0
"""After so long without an answer a request no longer waits for one: a single broken connection is not an outage."""
_CAPACITY: Final = 20_000
PAGE_ROWS: Final = 500
"""How many answers `learn` reads at a time: few enough for the event loop not to notice."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[V]):
    """What the control database says. `valid_seconds` is set for what ends by itself, such as a key with an expiry."""

    value: V
    valid_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    confirmed_at: float
    ends_at: float


class Remembered(Generic[K, V]):
    """Answers of the control database by key. Requests for one key at one time share a look-up."""

    def __init__(
        self, control: ControlDatabase, look_up: Callable[[K], Awaitable[Answer[V]]], *, fresh_seconds: float
    ) -> None:
        """`look_up` raises `NotFound` for what there is not, and `ControlUnavailable`."""
        self._control = control
        self._look_up = look_up
        self._fresh_seconds = fresh_seconds
        self._usable_seconds = REVOCATION_SECONDS + control.settings.control_grace_seconds
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._asking: dict[K, asyncio.Task[V]] = {}
        # what has changed while a page is being read
        self._changed: set[K] = set()

    async def get(self, key: K, *, fresh_seconds: float | None = None) -> V:
        """Return the answer; `fresh_seconds=0` asks even if there is a fresh one. Raises what the look-up raises."""
        now = time.monotonic()
        entry = self._entries.get(key)
        if entry is not None and now >= entry.ends_at:
            entry = None
        if entry is None:
            return await asyncio.shield(self._ask(key))
        age_seconds = now - entry.confirmed_at
        if age_seconds < (self._fresh_seconds if fresh_seconds is None else fresh_seconds):
            return entry.value
        if age_seconds >= self._usable_seconds:
            return await asyncio.shield(self._ask(key))
        if self._control.away_seconds > _CERTAIN_AFTER_SECONDS:
            return entry.value
        asking = self._ask(key)
        patience = _PATIENCE_SECONDS if age_seconds < REVOCATION_SECONDS else _LAST_PATIENCE_SECONDS
        done, _ = await asyncio.wait({asking}, timeout=patience)
        if not done:
            self._control.doubt()
        else:
            try:
                return asking.result()
            except ControlUnavailable:
                # An event may have said meanwhile that it has changed; then the old answer is known to be wrong.
                if self._entries.get(key) is not entry:
                    raise
        return entry.value

    def peek(self, key: K) -> V | None:
        """Return what is remembered, however old, without asking."""
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    async def renew(self, key: K) -> V:
        """Return what the control database says now. Raises what the look-up raises; what is remembered stays."""
        self._asking.pop(key, None)
        return await asyncio.shield(self._ask(key))

    def forget(self, key: K) -> None:
        """Drop what is remembered: it has changed."""
        self._entries.pop(key, None)
        self._changed.add(key)
        # A look-up under way may have read before the change: it answers those who wait and is not kept.
        self._asking.pop(key, None)

    async def learn(self, first: K, read_page: Callable[[K], Awaitable[list[tuple[K, Answer[V]]]]]) -> None:
        """Read all that there is, as far as there is room, and remember it. Raises `ControlUnavailable`.

        `read_page` returns the next `PAGE_ROWS` answers after a key, in the order of keys; `first` is below them all.
        """
        after, learnt = first, 0
        while learnt < _CAPACITY:
            self._changed.clear()
            asked_at = time.monotonic()
            page = await read_page(after)
            for key, answer in page:
                known = self._entries.get(key)
                if key not in self._changed and (known is None or known.confirmed_at < asked_at):
                    self._keep(key, answer, asked_at)
            learnt += len(page)
            if len(page) < PAGE_ROWS:
                return
            after = page[-1][0]

    def _keep(self, key: K, answer: Answer[V], confirmed_at: float) -> None:
        ends_at = float("inf") if answer.valid_seconds is None else time.monotonic() + answer.valid_seconds
        self._entries[key] = _Entry(answer.value, confirmed_at, ends_at)
        self._entries.move_to_end(key)
        if len(self._entries) > _CAPACITY:
            self._entries.popitem(last=False)

    def _ask(self, key: K) -> "asyncio.Task[V]":
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._answer(key))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._answered(key, done))
        return task

    async def _answer(self, key: K) -> V:
        this = asyncio.current_task()
        asked_at = time.monotonic()
        try:
            answer = await self._look_up(key)
        except NotFound:
            if self._asking.get(key) is this:
                self._entries.pop(key, None)
                self._changed.add(key)
            raise
        if self._asking.get(key) is this:
            self._keep(key, answer, asked_at)
        return answer.value

    def _answered(self, key: K, done: "asyncio.Task[V]") -> None:
        if self._asking.get(key) is done:
            del self._asking[key]
        if not done.cancelled():
            # Nobody may be waiting for it any more; asking marks its error as seen.
            done.exception()
