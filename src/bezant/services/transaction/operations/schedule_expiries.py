"""Leave a hint in the control database by when a tenant's holds must be looked at."""

import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from bezant.contracts.internal.ledger import CreateTransfer
from bezant.contracts.problems import Problem
from bezant.foundation.due_work import DueWork
from bezant.services.transaction.domain.book import Submitted

HOLD_EXPIRY: Final = "hold_expiry"
_MAX_TENANTS: Final = 50_000
_SILENT_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


class ExpiryHints:
    """Writes a hint only when it is earlier than the one this process last wrote for the tenant."""

    def __init__(self, due_work: DueWork) -> None:
        self._due_work = due_work
        self._hinted: dict[UUID, datetime] = {}
        self._silent_until = 0.0

    async def before(self, tenant_id: UUID, commands: Iterable[Submitted]) -> None:
        """Leave the hint before the holds are made, so that a crash cannot leave holds without one.

        A hint that cannot be written is left to the full sweep: until then a post of an expired hold is
        refused all the same, only its money is released later.
        """
        expiries = [
            submitted.command.expires_at
            for submitted in commands
            if isinstance(submitted.command, CreateTransfer) and submitted.command.expires_at is not None
        ]
        if not expiries:
            return
        earliest = min(expiries)
        hinted = self._hinted.get(tenant_id)
        if hinted is not None and datetime.now(UTC) < hinted <= earliest:
            return
        if time.monotonic() < self._silent_until:
            return
        try:
            await self._due_work.schedule(tenant_id, HOLD_EXPIRY, earliest)
        except Problem as error:
            # Transfers go on while the control database is away; they must not each wait for it.
            self._silent_until = time.monotonic() + _SILENT_SECONDS
            _log.warning("no hint for the holds of tenant %s: %s", tenant_id, error.detail)
            return
        if len(self._hinted) >= _MAX_TENANTS:
            self._hinted.clear()
        self._hinted[tenant_id] = earliest
