"""Signs of life of the fraud service: what tells one that is down from one that is slow.

Every answer to anybody is a sign. Where none comes for a while, the service is asked for one: by a call without parts,
which costs it nothing and waits behind nothing but its event loop. A service that is frozen gives none; one that only
has more to do than it can does.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from bezant.contracts.internal.fraud import ASSESSMENTS_PATH
from bezant.foundation.internal_calls import InternalCalls

Result = TypeVar("Result")
_TURN_SECONDS: Final = 0.05
_SIGNS_IN_A_SILENCE: Final = 3
"""How many signs are asked for, one after the other, before a silence is one."""
_REMEMBERED_SECONDS: Final = 5.0
"""How long after the last call a silence is remembered: when nobody asks, it says nothing."""


class Silent(Exception):
    """The fraud service answers nobody."""


class FraudSigns:
    """Whether the fraud service answers anybody, as seen from this process."""

    def __init__(
        self, internal: InternalCalls, *, timeout_seconds: float, silence_seconds: Callable[[], float]
    ) -> None:
        """`timeout_seconds`: how long each call waits at least; `silence_seconds`: how long the service must have
        answered nobody, over all calls.
        """
        self._internal = internal
        self._timeout_seconds = timeout_seconds
        self._silence_seconds = silence_seconds
        self._quiet_since = 0.0
        self._asked_at = 0.0
        self._under_way = 0
        self._turns = 0
        self._turned_at = 0.0
        self._search: asyncio.Task[bool] | None = None

    async def unless_silent(self, asked: Coroutine[Any, Any, Result]) -> Result:
        """Return what the call returns. Raises what it raises, and `Silent` when the service answers nobody."""
        self._begin(time.monotonic())
        self._under_way += 1
        call = asyncio.create_task(asked)
        try:
            await asyncio.wait([call], timeout=self._timeout_seconds)
            while not call.done():
                if self._is_silent():
                    raise Silent
                await asyncio.wait([call], timeout=_TURN_SECONDS)
            return call.result()
        finally:
            self._under_way -= 1
            call.cancel()

    def _heard_at(self) -> float:
        return self._internal.heard_at("fraud", ASSESSMENTS_PATH)

    def _begin(self, now: float) -> None:
        """Let a silence begin with the first call after the last sign; until then nobody waited for one."""
        answered = not self._under_way and self._heard_at() >= self._quiet_since
        if answered or now - self._asked_at > _REMEMBERED_SECONDS:
            self._quiet_since, self._turns = now, 0
        self._asked_at = now

    def _is_silent(self) -> bool:
        """Whether nobody is answered.

        By the clock alone a process that is kept from running would take its own silence for the other's: the answers
        would lie unread. So the turns count as well in which our own loop has come round and found none.
        """
        now = time.monotonic()
        heard_at = self._heard_at()
        if heard_at > self._quiet_since:
            # what is still waited for has been waited for since then
            self._quiet_since, self._turns = heard_at, 0
        if now - self._quiet_since < self._timeout_seconds:
            return False
        silence_seconds = max(self._silence_seconds(), self._timeout_seconds)
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(
                self._internal.ask_for_a_sign(
                    "fraud", ASSESSMENTS_PATH, timeout_seconds=silence_seconds / _SIGNS_IN_A_SILENCE
                )
            )
        if now - self._turned_at >= _TURN_SECONDS / 2:
            # once for all calls that look in the same turn
            self._turned_at = now
            self._turns += 1
        # half of them, since a busy loop comes round later than it was asked to
        enough_turns = self._turns * _TURN_SECONDS * 2 >= silence_seconds - self._timeout_seconds
        return now - self._quiet_since >= silence_seconds and enough_turns
