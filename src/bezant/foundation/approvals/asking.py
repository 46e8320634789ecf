"""Ask for an approval, and do what has been approved."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import IdempotencyKeyReused, Problem, TenantNotActive
from bezant.foundation.approvals.approval import Approval
from bezant.foundation.control.database import QUERIES, ControlDatabase
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.identity.api_keys import Caller

_log = logging.getLogger(__name__)
APPROVALS: Final = "approvals"
"""The kind of due work that does what has been approved."""
_VALID_HOURS: Final = 168
_RETRY_SECONDS: Final = 5.0

Executor = Callable[[UUID, Approval], Awaitable[dict[str, Any]]]
"""Does what was approved for a tenant and returns what came of it. Called again after a crash, it must have its
effect once; a `Problem` below 500 is final."""
Rule = Literal["reversals", "limit_raises"]
"""What a tenant may want four eyes for, as its policies name it."""


class Approvals:
    """The approvals of one service's acts."""

    def __init__(self, control: ControlDatabase, directory: TenantDirectory) -> None:
        self._control = control
        self._directory = directory

    async def demanded(self, tenant_id: UUID, rule: Rule) -> bool:
        """Return whether the tenant wants another person for this."""
        record = await self._directory.get(tenant_id)
        return bool(record.policies.get("four_eyes", {}).get(rule, False))

    async def ask(
        self,
        caller: Caller,
        *,
        action: str,
        subject: str,
        request: dict[str, Any],
        scope: str,
        fingerprint: bytes,
        key: str | None = None,
    ) -> Approval:
        """Return the approval that is asked for; with an idempotency key the one that was asked for with it before.

        Raises `IdempotencyKeyReused`, `ControlUnavailable`.
        """
        approval_id = new_id()
        parameters = {
            "id": approval_id,
            "tenant_id": caller.tenant,
            "service": self._control.service,
            "action": action,
            "subject": subject,
            "request": Jsonb(request),
            "scope": scope,
            "key": key,
            "fingerprint": fingerprint,
            "requested_by": caller.actor,
            "hours": _VALID_HOURS,
        }
        async with self._control.transaction() as connection:
            inserted = await connection.execute(QUERIES["insert_approval"], parameters)
            if inserted.rowcount:
                row = await (await connection.execute(QUERIES["approval_by_id"], {"id": approval_id})).fetchone()
            else:
                row = await (await connection.execute(QUERIES["approval_by_key"], parameters)).fetchone()
        assert row is not None
        if len(row) > 16 and bytes(row[16]) != fingerprint:
            raise IdempotencyKeyReused(
                "this Idempotency-Key was used for a different request before; use a new key for a new request"
            )
        return Approval.of(row)

    async def execute(self, tenant_id: UUID, executors: Mapping[str, Executor]) -> datetime | None:
        """Do what has been approved of a tenant's; return when to look again, None when nothing is left.

        A due-work handler. Two replicas at once do no harm: executors have their effect once.
        """
        parameters = {"tenant_id": tenant_id, "service": self._control.service}
        again = None
        for row in await self._control.fetch_all(QUERIES["approved_acts"], parameters):
            approval = Approval.of(row)
            try:
                outcome, status = await executors[approval.action](tenant_id, approval), "executed"
            except TenantNotActive:
                # It is suspended or being closed: what was approved waits until it is active again.
                raise
            except Problem as problem:
                if problem.status >= 500:
                    _log.info("approved act %s is tried again: %s", approval.id, problem.detail)
                    again = datetime.now(UTC) + timedelta(seconds=_RETRY_SECONDS)
                    continue
                outcome, status = {"code": problem.code, "detail": problem.detail}, "failed"
            await self._control.execute(
                QUERIES["finish_approval"], {"id": approval.id, "status": status, "outcome": Jsonb(outcome)}
            )
        return again
