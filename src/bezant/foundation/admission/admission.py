"""Permits for the requests of one process: at most the limit at once, with a fair share for each tenant.

The share of a tenant is the limit divided by the tenants that have something in the process. A tenant that asks for
less leaves the rest to the others (max-min fairness; D. Bertsekas, R. Gallager, "Data Networks", section 6.5). Once the
process is at its limit, a tenant within its share waits for the next permits that come back; one above its share gets
a place in a short queue, or is refused at once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Hashable
from enum import StrEnum
from typing import Final

from bezant.foundation.admission.concurrency_limit import ConcurrencyLimit

_BYTES_OF_A_UNIT: Final = 512
"""A payment or transfer takes 200 to 400 bytes: most requests are one unit, a batch about one for two items."""
_LARGEST_PART: Final = 4
"""One request takes at most this part of the limit, a quarter, however many items it carries."""


class Refusal(StrEnum):
    """Why there was no permit."""

    FULL = "full"
    """The process is at its limit, and the tenant uses no more than its share."""
    SHARE = "share"
    """The process is at its limit, others ask too, and the tenant uses more than its share."""
    WAITED = "waited"
    """No permit came back in time."""


class Permit:
    """Room for some units of work, until it is given back."""

    __slots__ = ("_admission", "_holder", "units")

    def __init__(self, admission: "Admission", holder: "_Holder", units: int) -> None:
        self._admission = admission
        self._holder: _Holder | None = holder
        self.units = units

    def release(self) -> None:
        """Give the room back; a second time does nothing."""
        holder, self._holder = self._holder, None
        if holder is not None:
            self._admission._give_back(holder, self.units)


class _Holder:
    """A tenant with something in the process."""

    __slots__ = ("in_flight", "name", "waiting")

    def __init__(self, name: Hashable) -> None:
        self.name = name
        self.in_flight = 0
        self.waiting = 0


class _Waiter:
    __slots__ = ("future", "holder", "queue", "units")

    def __init__(self, holder: _Holder, units: int, queue: "_Queue") -> None:
        self.holder = holder
        self.units = units
        self.queue: _Queue | None = queue
        self.future: asyncio.Future[Permit | Refusal] = asyncio.get_running_loop().create_future()


class _Queue:
    """Requests that wait, first come first served."""

    __slots__ = ("units", "waiters")

    def __init__(self) -> None:
        self.waiters: deque[_Waiter] = deque()
        self.units = 0

    def add(self, waiter: _Waiter) -> None:
        self.waiters.append(waiter)
        self.units += waiter.units
        waiter.holder.waiting += waiter.units

    def remove(self, waiter: _Waiter) -> None:
        self.waiters.remove(waiter)
        self.units -= waiter.units
        waiter.holder.waiting -= waiter.units
        waiter.queue = None


class Admission:
    """The permits of one process. Used from one event loop."""

    def __init__(
        self, limit: ConcurrencyLimit, *, queue_seconds: float, patience_seconds: float, queue_part: float = 0.1
    ) -> None:
        """`queue_seconds`: how long a request above its tenant's share waits for a permit; `patience_seconds`: how long
        one within it does. `queue_part`: the length of the short queue as a part of the limit.
        """
        self._limit = limit
        self._queue_seconds = queue_seconds
        self._patience_seconds = patience_seconds
        self._queue_part = queue_part
        self._holders: dict[Hashable, _Holder] = {}
        self._owed = _Queue()
        self._spare = _Queue()
        self._in_flight = 0

    @property
    def limit(self) -> int:
        """Units that may be in flight now."""
        return self._limit.value

    @property
    def in_flight(self) -> int:
        """Units that hold a permit."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Units that wait for one."""
        return self._owed.units + self._spare.units

    def is_at_limit(self, *, within_seconds: float = 2.0) -> bool:
        """Whether the process is at its limit, or was lately."""
        met_at = self._limit.met_at
        return met_at is not None and time.monotonic() - met_at < within_seconds

    def units_of(self, body_bytes: int) -> int:
        """Return how many units a request counts for: by its size, since its body has not been read."""
        return max(1, min(body_bytes // _BYTES_OF_A_UNIT, self._limit.value // _LARGEST_PART))

    def try_enter(self, name: Hashable, units: int = 1) -> Permit | Refusal | None:
        """Return a permit, or why there will be none; None if it is worth waiting for one (`enter`)."""
        now = time.monotonic()
        self._limit.advance(now)
        holder = self._holders.get(name)
        if not self.waiting and self._in_flight + units <= self._limit.value:
            return self._grant(holder or self._hold(name), units)
        self._limit.met(now)
        return self._outlook(holder, units)

    async def enter(self, name: Hashable, units: int = 1) -> Permit | Refusal:
        """Return a permit for the units, after a wait if that is allowed, or why there is none."""
        outcome = self.try_enter(name, units)
        if outcome is not None:
            return outcome
        holder = self._holders.get(name)
        within = self._is_within(holder, units)
        return await self._wait(holder or self._hold(name), units, within=within)

    def _outlook(self, holder: _Holder | None, units: int) -> Refusal | None:
        """Return why a request may not wait, if it may not."""
        if self._is_within(holder, units):
            return None if self._make_room(units) else Refusal.FULL
        if self._spare.units + units <= max(1, int(self._limit.value * self._queue_part)):
            return None
        others = len(self._holders) > (1 if holder else 0)
        return Refusal.SHARE if others and holder and holder.in_flight > self._share() else Refusal.FULL

    def _make_room(self, units: int) -> bool:
        """Whether units within a share may wait; for them, whoever is above its share by now gives its place up.

        As many units may wait as leave while they do. Shares shrink as tenants come, so that some of what waits may be
        more than its tenant's share is now. With more tenants than permits a share is less than one, and there is
        nobody to give way.
        """
        while self._owed.units + units > self._limit.value:
            share = self._share()
            last = next(
                (w for w in reversed(self._owed.waiters) if w.holder.in_flight + w.holder.waiting > share), None
            )
            if last is None:
                return False
            self._refuse(last, Refusal.SHARE)
        return True

    def _share(self) -> int:
        return max(1, self._limit.value // max(1, len(self._holders)))

    def _is_within(self, holder: _Holder | None, units: int) -> bool:
        # one request at a time is within every share, whatever it carries
        return holder is None or holder.in_flight + holder.waiting + units <= self._share()

    def _hold(self, name: Hashable) -> _Holder:
        holder = self._holders[name] = _Holder(name)
        return holder

    def _grant(self, holder: _Holder, units: int) -> Permit:
        holder.in_flight += units
        self._in_flight += units
        return Permit(self, holder, units)

    async def _wait(self, holder: _Holder, units: int, *, within: bool) -> Permit | Refusal:
        queue = self._owed if within else self._spare
        waiter = _Waiter(holder, units, queue)
        queue.add(waiter)
        seconds = self._patience_seconds if within else self._queue_seconds
        timer = asyncio.get_running_loop().call_later(seconds, self._refuse, waiter, Refusal.WAITED)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.queue is not None:
                self._withdraw(waiter)
            elif waiter.future.done() and not waiter.future.cancelled():
                # granted in the same turn of the loop in which the request was given up
                granted = waiter.future.result()
                if isinstance(granted, Permit):
                    granted.release()
            raise
        finally:
            timer.cancel()

    def _refuse(self, waiter: _Waiter, reason: Refusal) -> None:
        if waiter.queue is None:
            return
        self._withdraw(waiter)
        if not waiter.future.done():
            waiter.future.set_result(reason)

    def _withdraw(self, waiter: _Waiter) -> None:
        assert waiter.queue is not None
        waiter.queue.remove(waiter)
        self._let_go(waiter.holder)
        # a large request at the head may have kept the others waiting
        self._serve()

    def _give_back(self, holder: _Holder, units: int) -> None:
        self._in_flight -= units
        holder.in_flight -= units
        self._let_go(holder)
        self._limit.finished(units, time.monotonic())
        self._serve()

    def _let_go(self, holder: _Holder) -> None:
        if not holder.in_flight and not holder.waiting:
            del self._holders[holder.name]

    def _serve(self) -> None:
        """Grant permits to those that wait: first to those within their share, in the order in which they came."""
        for queue in (self._owed, self._spare):
            while queue.waiters:
                waiter = queue.waiters[0]
                # the limit may have fallen below what one request was to take
                units = min(waiter.units, max(1, self._limit.value))
                if self._in_flight + units > self._limit.value:
                    return
                queue.remove(waiter)
                if waiter.future.cancelled():
                    self._let_go(waiter.holder)
                else:
                    waiter.future.set_result(self._grant(waiter.holder, units))
