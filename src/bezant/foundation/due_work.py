"""Due work: which tenants have something to do and when, so that idle tenants' databases are not polled.

A hint in the control database names a tenant, a service, a kind of work and the time it is due. It is written
before the work that it guards ("mark before you start"), so that a crash leaves a hint and another replica
finds what was left: a process that starts looks at once behind every hint of its service. A slow full sweep visits
every tenant in case a hint could not be written.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bezant.contracts.problems import NotFound, Problem, TenantNotActive
from bezant.foundation.control.database import QUERIES, ControlDatabase, ControlUnavailable
from bezant.foundation.control.directory import TenantDirectory

_log = logging.getLogger(__name__)
DueHandler = Callable[[UUID], Awaitable[datetime | None]]
"""Does what is due for a tenant and returns when more is due, or None when nothing is known to come."""

GUARD_SECONDS = 30.0
"""How long after its hint was written work may begin without a new hint, with a margin."""
_CLAIM_SECONDS = 30.0
_RETRY_SECONDS = 2.0
_SWEPT_A_SECOND = 10
"""Tenants that a sweep visits in a second."""
_PATIENCE_SECONDS = 1.0
_AWAY_PATIENCE_SECONDS = 0.05
"""How long a request waits for its hint to be written, and how long while the control database is known to be away."""
_UNWRITTEN_HINTS = 50_000


class DueWork:
    """Schedules and runs the due work of one service."""

    def __init__(self, control: ControlDatabase, directory: TenantDirectory) -> None:
        self._control = control
        self._directory = directory
        self._handlers: Mapping[str, DueHandler] = {}
        self._guarded_until: dict[tuple[UUID, str], float] = {}
        self._hints: dict[tuple[UUID, str], datetime] = {}
        self._gathering: asyncio.Task[None] | None = None
        self._leaving = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()
        self._unwritten: dict[tuple[UUID, str], datetime] = {}

    def register(self, handlers: Mapping[str, DueHandler]) -> None:
        """Set what is done for each kind."""
        self._handlers = {**self._handlers, **handlers}

    async def schedule(self, tenant_id: UUID, kind: str, due_at: datetime) -> None:
        """Make sure that the work of this kind is looked at by `due_at`.

        Raises `ControlUnavailable`; the hint is then written as soon as the control database answers again, unless
        this process ends before. The full sweep finds what such a hint would have told.
        """
        away = self._control.away_seconds > 0
        writing = self._hint({(tenant_id, kind): due_at})
        done, _ = await asyncio.wait({writing}, timeout=_AWAY_PATIENCE_SECONDS if away else _PATIENCE_SECONDS)
        if not done:
            self._control.doubt()
            raise ControlUnavailable("the control database does not answer; the hint is written when it does")
        writing.result()

    def _hint(self, hints: Mapping[tuple[UUID, str], datetime]) -> "asyncio.Task[None]":
        """Return the task that writes the hints: those who come while a statement is under way share the next one."""
        for key, due_at in hints.items():
            self._hints[key] = min(due_at, self._hints.get(key, due_at))
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._write_gathered())
            self._gathering.add_done_callback(_seen)
        return self._gathering

    async def _write_gathered(self) -> None:
        async with self._leaving:
            self._gathering = None
            hints, self._hints = self._hints, {}
            try:
                await self._leave(hints)
            except ControlUnavailable:
                for key, due_at in hints.items():
                    if len(self._unwritten) < _UNWRITTEN_HINTS:
                        self._unwritten[key] = min(due_at, self._unwritten.get(key, due_at))
                raise

    async def _leave(self, hints: Mapping[tuple[UUID, str], datetime]) -> None:
        # in one order everywhere, so that two processes never wait in a circle
        ordered = sorted(hints.items())
        await self._control.execute(
            QUERIES["leave_hints"],
            {
                "tenant_ids": [tenant_id for (tenant_id, _), _ in ordered],
                "kinds": [kind for (_, kind), _ in ordered],
                "due": [due_at for _, due_at in ordered],
                "service": self._control.service,
            },
        )

    async def _write_late(self) -> None:
        """Write the hints that could not be written before. Raises `ControlUnavailable`."""
        if self._unwritten:
            late, self._unwritten = self._unwritten, {}
            await self._hint(late)

    async def guard(self, tenant_id: UUID, kind: str, *, within_seconds: float = GUARD_SECONDS / 2) -> None:
        """Leave a hint before work begins, at most one for each tenant, kind and `within_seconds`.

        The handler of the kind must look again as long as it finds traces younger than `GUARD_SECONDS`: the
        process that left the hint may still be at work behind it.
        A hint that cannot be written now is written when the control database is back: a payment is worth more than
        a hint.
        """
        now = time.monotonic()
        key = (tenant_id, kind)
        if self._guarded_until.get(key, 0.0) > now:
            return
        self._guarded_until[key] = now + within_seconds
        due_at = datetime.now(UTC) + timedelta(seconds=2 * within_seconds)
        try:
            await self.schedule(tenant_id, kind, due_at)
        except Problem as error:
            # Not tried again for a moment either: each transaction would wait for a control database that is away.
            _log.warning("no hint for %s of tenant %s yet: %s", kind, tenant_id, error.detail)

    async def run(self) -> None:
        """Claim and do what is due until cancelled."""
        poll_seconds = self._control.settings.due_work_poll_seconds
        looked_behind_hints = False
        while True:
            try:
                if not looked_behind_hints:
                    # An earlier process of this service may have died behind any hint of the last moments.
                    await self._control.execute(
                        QUERIES["advance_hints"], {"service": self._control.service, "within_seconds": GUARD_SECONDS}
                    )
                    looked_behind_hints = True
                await self._write_late()
                rows = await self._control.fetch_all(
                    QUERIES["claim_due_work"], {"service": self._control.service, "lease_seconds": _CLAIM_SECONDS}
                )
            except Problem as error:
                _log.info("due work cannot be read: %s", error.detail)
                rows = []
            for tenant_id, kind, claimed_due_at in rows:
                task = asyncio.create_task(self._do(tenant_id, kind, claimed_due_at))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            await asyncio.sleep(poll_seconds)

    async def _do(self, tenant_id: UUID, kind: str, claimed_due_at: datetime) -> None:
        parameters = {
            "tenant_id": tenant_id,
            "service": self._control.service,
            "kind": kind,
            "claimed_due_at": claimed_due_at,
        }
        handler = self._handlers.get(kind)
        try:
            following = await handler(tenant_id) if handler is not None else None
        except (TenantNotActive, NotFound):
            following = None
        except Exception as error:
            _log.warning(
                "%s of tenant %s is tried again: %s", kind, tenant_id, error, exc_info=not isinstance(error, Problem)
            )
            following = datetime.now(UTC) + timedelta(seconds=_RETRY_SECONDS)
        try:
            if following is None:
                await self._control.execute(QUERIES["finish_due_work"], parameters)
            else:
                await self._control.execute(QUERIES["postpone_due_work"], parameters | {"due_at": following})
        except Problem as error:
            _log.info("the claim on %s of tenant %s runs out by itself: %s", kind, tenant_id, error.detail)

    async def sweep(self) -> None:
        """Visit every tenant for every kind, again and again, until cancelled.

        A round is spread over its time when there are many tenants: a visit opens a connection.
        """
        while True:
            round_seconds = self._control.settings.full_sweep_seconds
            try:
                tenants = await self._directory.tenants_with_databases()
                spread_seconds = min(round_seconds, len(tenants) / _SWEPT_A_SECOND)
                now = datetime.now(UTC)
                for kind in self._handlers:
                    await self._leave(
                        {
                            (tenant_id, kind): now + timedelta(seconds=spread_seconds * place / len(tenants))
                            for place, tenant_id in enumerate(tenants)
                        }
                    )
            except Problem as error:
                _log.info("the full sweep is put off: %s", error.detail)
            await asyncio.sleep(round_seconds)

    async def close(self) -> None:
        """Wait for what is running."""
        writing = [self._gathering] if self._gathering is not None else []
        if self._running or writing:
            await asyncio.wait([*self._running, *writing], timeout=10)


def _seen(writing: "asyncio.Task[None]") -> None:
    """Mark the error as seen: who asked may not wait for it any more."""
    if not writing.cancelled():
        writing.exception()
