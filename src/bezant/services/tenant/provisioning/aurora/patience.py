"""Waiting for AWS: with back-off, full jitter and an end, and saying what is waited for.

Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import psycopg

from bezant.services.tenant.provisioning.aurora.failures import AwsBusy, TookTooLong
from bezant.services.tenant.provisioning.aurora.settings import AuroraSettings
from bezant.services.tenant.provisioning.provisioner import Report

T = TypeVar("T")
_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    """A result of any kind, also one that is a text."""

    value: T


class Patience:
    """One operation's time. `seconds` is what is left of it."""

    def __init__(self, settings: AuroraSettings, report: Report, *, seconds: float, doing: str) -> None:
        self._settings = settings
        self._report = report
        self._deadline = time.monotonic() + seconds
        self._doing = doing
        self._said: str | None = None

    async def say(self, progress: str) -> None:
        """Report progress, once for each new text. Raises when the operation is not ours any more."""
        if progress != self._said:
            await self._report(progress[:500])
            self._said = progress

    async def until(self, look: Callable[[], Awaitable[T | str]]) -> T:
        """Look until there is a result; a text is what is still waited for.

        `AwsBusy` and a database that does not answer are waited out. Raises `TookTooLong` at the end of the time,
        and whatever else `look` raises.
        """
        for attempt in range(1_000_000):
            try:
                found = await look()
            except AwsBusy as error:
                found = str(error)
            except psycopg.OperationalError as error:
                found = f"the database does not answer yet ({type(error).__name__})"
            if not isinstance(found, str):
                return found
            waiting_for = found
            await self.say(waiting_for)
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TookTooLong(
                    f"{self._doing} has taken too long; at last: {waiting_for}. Look at it in the RDS console, "
                    "then ask for the operation again"
                )
            longest = self._settings.poll_seconds * 2 ** min(attempt, _DOUBLINGS)
            longest = min(longest, self._settings.poll_max_seconds)
            # Not less than a tenth, so that a throttled account is left in peace.
            await asyncio.sleep(min(left, random.uniform(longest / 10, longest)))  # noqa: S311  no secret
        raise AssertionError("unreachable")

    async def do(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something, again while AWS is busy. Raises as `until` does."""

        async def wrapped() -> _Done[T]:
            return _Done(await work())

        return (await self.until(wrapped)).value
