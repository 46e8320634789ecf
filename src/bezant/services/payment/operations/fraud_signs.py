"""Signs of life of the fraud service: what tells one that is down from one that is slow.

Every answer to anybody is a sign. Where none comes for a while, the service is asked for one: by a call without parts,
which costs it nothing and waits behind nothing but its event loop. A service that is frozen gives none; one that only
has more to do than it can does.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from bezant.contracts.internal.fraud import ASSESSMENTS_PATH
from bezant.foundation.internal_calls import InternalCalls

Result = TypeVar("Result")
_TURN_SECONDS: Final = 0.05
_KNOWN_SECONDS: Final = 5.0
"""How long after it was last found silent a service need not be found so anew."""


class Silent(Exception):
    """The fraud service answers nobody."""


class FraudSigns:
    """Whether the fraud service answers anybody, as seen from this process."""

    def __init__(self, internal: InternalCalls, *, timeout_seconds: float, silence_seconds: float) -> None:
        """`timeout_seconds`: how long each call waits at least; `silence_seconds`: how long a service that was not
        silent before must have answered nobody.
        """
        self._internal = internal
        self._timeout_seconds = timeout_seconds
        self._silence_seconds = max(silence_seconds, timeout_seconds)
        self._under_way: dict[object, float] = {}
        self._found_silent_at: float | None = None
        self._search: asyncio.Task[bool] | None = None

    async def unless_silent(self, asked: Coroutine[Any, Any, Result]) -> Result:
        """Return what the call returns. Raises what it raises, and `Silent` when the service answers nobody."""
        mark = object()
        self._under_way[mark] = time.monotonic()
        call = asyncio.create_task(asked)
        try:
            await asyncio.wait([call], timeout=self._timeout_seconds)
            turns = 0
            while not call.done():
                if self._is_silent(turns):
                    raise Silent
                await asyncio.wait([call], timeout=_TURN_SECONDS)
                turns += 1
            return call.result()
        finally:
            del self._under_way[mark]
            call.cancel()

    def _is_silent(self, turns: int) -> bool:
        """Whether nobody is answered. `turns`: how often our own loop has come round since the call was due.

        By the clock alone a process that is kept from running would take its own silence for the other's: the answers
        would lie unread.
        """
        now = time.monotonic()
        heard_at = self._internal.heard_at("fraud", ASSESSMENTS_PATH)
        quiet_since = max(heard_at, next(iter(self._under_way.values())))
        if now - quiet_since < self._timeout_seconds:
            return False
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(
                self._internal.ask_for_a_sign("fraud", ASSESSMENTS_PATH, timeout_seconds=self._silence_seconds)
            )
        known = self._found_silent_at
        if known is not None and heard_at <= known and now - known < _KNOWN_SECONDS:
            self._found_silent_at = now
            return True
        long_enough = now - quiet_since >= self._silence_seconds
        if long_enough and turns * _TURN_SECONDS >= self._silence_seconds - self._timeout_seconds:
            self._found_silent_at = now
            return True
        return False
