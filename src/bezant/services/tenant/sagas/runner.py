"""Runs operations step by step under a lease.

One runner holds an operation's lease and renews it; when it dies or is frozen, another takes the operation over
at the step where it stood. Steps are idempotent, so that a step may be done by two runners, and a runner that
has lost its lease stops before its next write to the operation.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Problem
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.failpoints import failpoint
from bezant.foundation.secrets import SecretStoreUnavailable
from bezant.foundation.telemetry.logging import mask
from bezant.services.tenant.domain.failures import GivenUp, Passing
from bezant.services.tenant.domain.steps import STEPS, Kind
from bezant.services.tenant.provisioning.provisioner import Report
from bezant.services.tenant.sagas.steps import QUERIES, Operation, Steps

_log = logging.getLogger(__name__)
_RENEWALS_PER_LEASE = 3
_ATTEMPTS = 5
_BACK_OFF_SECONDS = (0.1, 0.5, 1.0, 2.0)
_LONG_BACK_OFF_SECONDS = (*_BACK_OFF_SECONDS, 5.0, 10.0, 30.0)
_LONG_ATTEMPTS = 10
"""Two minutes: what was made may have taken half an hour, and is not thrown away for a short outage."""
_PASSING = (Passing, SecretStoreUnavailable)
_SCAN_SECONDS = 1.0


class _LeaseLost(Exception):
    """Another runner has taken the operation over."""


class SagaRunner:
    """Runs the operations that this process accepted, and those that others left."""

    def __init__(
        self, control: ControlDatabase, steps: Steps, *, lease_seconds: float, on_change: Callable[[UUID], None]
    ) -> None:
        """`on_change` is told the tenant after each step."""
        self._lease_seconds = lease_seconds
        self._control = control
        self._steps = steps
        self._on_change = on_change
        self._holder = control.settings.instance_id
        self._tasks: set[asyncio.Task[None]] = set()

    async def insert(
        self,
        connection: Any,
        tenant_id: UUID,
        kind: Kind,
        request: dict[str, Any],
        *,
        operation_id: UUID | None = None,
    ) -> Operation:
        """Write an operation, leased to this process, in the caller's transaction; `start` it after the commit."""
        operation = Operation(operation_id or new_id(), tenant_id, kind, request)
        await connection.execute(
            QUERIES["insert_operation"],
            {
                "id": operation.id,
                "tenant_id": tenant_id,
                "kind": kind.value,
                "request": Jsonb(request),
                "holder": self._holder,
                "lease_seconds": self._lease_seconds,
            },
        )
        return operation

    def start(self, operation: Operation, *, compensating: bool = False) -> None:
        """Run the operation in the background."""
        task = asyncio.create_task(self._run(operation, compensating=compensating))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def resume_abandoned(self) -> None:
        """Take over operations whose runner has died, until cancelled."""
        while True:
            try:
                row = await self._control.fetch_one(
                    QUERIES["claim_operation"], {"holder": self._holder, "lease_seconds": self._lease_seconds}
                )
                if row is not None:
                    _log.info("resuming %s of tenant %s", row[2], row[1])
                    self.start(Operation(row[0], row[1], Kind(row[2]), row[4]), compensating=row[3] == "compensating")
                    continue
            except Problem as error:
                _log.info("abandoned operations cannot be looked for: %s", error.detail)
            await asyncio.sleep(_SCAN_SECONDS)

    async def close(self) -> None:
        """Stop; what is unfinished is resumed by another process when its lease ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, operation: Operation, *, compensating: bool) -> None:
        renewing = asyncio.create_task(self._renew(operation))
        working = asyncio.create_task(self._work(operation, compensating=compensating))
        try:
            done, _ = await asyncio.wait({renewing, working}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
        except _LeaseLost:
            _log.warning("another process has taken over %s of tenant %s", operation.kind, operation.tenant_id)
        except Problem as error:
            # The lease runs out and the operation is resumed, here or elsewhere.
            _log.warning("%s of tenant %s is interrupted: %s", operation.kind, operation.tenant_id, error.detail)
        finally:
            for task in (renewing, working):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, _LeaseLost, Problem):
                    await task

    async def _renew(self, operation: Operation) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / _RENEWALS_PER_LEASE)
            await self._hold(operation)

    async def _hold(self, operation: Operation) -> None:
        """Renew the lease. Raises `_LeaseLost` when it is not ours any more."""
        row = await self._control.fetch_one(
            QUERIES["renew_operation"],
            {"id": operation.id, "holder": self._holder, "lease_seconds": self._lease_seconds},
        )
        if row is None:
            raise _LeaseLost

    async def _work(self, operation: Operation, *, compensating: bool) -> None:
        if compensating:
            await self._compensate(operation)
            return
        done = {row[0] for row in await self._stored_steps(operation) if row[2] == "done"}
        for position, step in enumerate(STEPS[operation.kind]):
            if position in done:
                continue
            failure = await self._attempt(operation, position, step)
            if failure is not None:
                await self._give_up(operation, step, failure)
                return
        await self._control.execute(QUERIES["finish_operation"], {"id": operation.id, "status": "succeeded"})
        self._on_change(operation.tenant_id)

    def _reporter(self, operation: Operation, position: int) -> Report:
        """Return what a step says its progress to. It raises `_LeaseLost` when the operation is not ours any more."""

        async def report(progress: str) -> None:
            row = await self._control.fetch_one(
                QUERIES["report_progress"],
                {"id": operation.id, "position": position, "holder": self._holder, "progress": progress},
            )
            if row is None:
                raise _LeaseLost

        return report

    async def _attempt(self, operation: Operation, position: int, step: str) -> str | None:
        """Do one step, again if it fails for a passing reason. Returns why it failed for good, or None."""
        reason = ""
        for attempt in range(_LONG_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_LONG_BACK_OFF_SECONDS[min(attempt - 1, len(_LONG_BACK_OFF_SECONDS) - 1)])
            # The insert is fenced by nothing but the lease; `_hold` makes sure that it is ours.
            await self._hold(operation)
            parameters = {"id": operation.id, "position": position, "step": step}
            await self._control.execute(QUERIES["begin_step"], parameters)
            failpoint(f"{operation.kind}.before_{step}")
            try:
                await self._steps.forward[step](operation, self._reporter(operation, position))
            except _LeaseLost:
                raise
            except Exception as error:
                for_good = isinstance(error, GivenUp)
                reason = str(error) if for_good else mask(f"{type(error).__name__}: {error}")
                _log.warning("%s of tenant %s failed at %s: %s", operation.kind, operation.tenant_id, step, reason)
                await self._control.execute(
                    QUERIES["finish_step"], {**parameters, "status": "failed", "error": reason[:500]}
                )
                if for_good or (attempt + 1 >= _ATTEMPTS and not isinstance(error, _PASSING)):
                    return reason
                continue
            failpoint(f"{operation.kind}.after_{step}")
            await self._hold(operation)
            await self._control.execute(QUERIES["finish_step"], {**parameters, "status": "done", "error": None})
            self._on_change(operation.tenant_id)
            return None
        return reason

    async def _give_up(self, operation: Operation, step: str, reason: str) -> None:
        _log.error("%s of tenant %s is given up at %s: %s", operation.kind, operation.tenant_id, step, reason)
        await self._hold(operation)
        if operation.kind is not Kind.ONBOARDING:
            # Rotation leaves the old credential working and offboarding is never undone: both can be asked again.
            await self._control.execute(
                QUERIES["compensate_operation"], {"id": operation.id, "error": f"{step}: {reason}"[:500]}
            )
            await self._control.execute(QUERIES["finish_operation"], {"id": operation.id, "status": "failed"})
            return
        await self._control.execute(
            QUERIES["compensate_operation"], {"id": operation.id, "error": f"{step}: {reason}"[:500]}
        )
        await self._compensate(operation)

    async def _compensate(self, operation: Operation) -> None:
        """Undo every step that was begun, last first, until each undoing has worked."""
        stored = await self._stored_steps(operation)
        for position, step, status, *_ in reversed(stored):
            undo = self._steps.backward.get(step)
            if undo is None or status == "compensated":
                continue
            attempt = 0
            report = self._reporter(operation, position)
            while True:
                await self._hold(operation)
                failpoint(f"{operation.kind}.before_undoing_{step}")
                try:
                    await undo(operation, report)
                    break
                except _LeaseLost:
                    raise
                except Exception as error:
                    # Nothing may be left behind: this goes on until it works, visibly.
                    reason = mask(str(error))
                    _log.warning("undoing %s of tenant %s failed: %s", step, operation.tenant_id, reason)
                    await report(f"undoing it has failed and is tried again: {reason}"[:500])
                    await asyncio.sleep(_LONG_BACK_OFF_SECONDS[min(attempt, len(_LONG_BACK_OFF_SECONDS) - 1)])
                    attempt += 1
            failpoint(f"{operation.kind}.after_undoing_{step}")
            await self._control.execute(
                QUERIES["finish_step"],
                {"id": operation.id, "position": position, "status": "compensated", "error": None},
            )
        await self._control.execute(QUERIES["set_status"], {"id": operation.tenant_id, "status": "failed"})
        await self._control.execute(QUERIES["finish_operation"], {"id": operation.id, "status": "failed"})
        self._on_change(operation.tenant_id)

    async def _stored_steps(self, operation: Operation) -> list[tuple[Any, ...]]:
        return await self._control.fetch_all(QUERIES["operation_steps"], {"id": operation.id})
