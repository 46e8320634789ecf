"""Remove messages, deliveries, attempts and inbox marks that have been kept for long enough."""

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from bezant.contracts.identifiers import first_id_at
from bezant.foundation.events.inbox import prune_inbox
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage import QUERIES

_log = logging.getLogger(__name__)
PRUNING: Final = "pruning"
"""The kind of due work."""
_BATCH: Final = 2_000
_LOOK_AGAIN_SECONDS: Final = 1.0
_EVERY_SECONDS: Final = 3_600.0


class PruneHistory:
    """Prunes a tenant's history, a batch a transaction, so that nothing is locked for long."""

    def __init__(self, databases: TenantDatabases, settings: NotificationSettings) -> None:
        self._databases = databases
        self._settings = settings
        self._done: dict[UUID, float] = {}

    async def when_due(self, tenant_id: UUID) -> datetime | None:
        """Handle due work: prune one batch; look again soon if there may be more.

        The slow full sweep asks for every tenant, so that nothing has to be scheduled, and far more often than
        an hour's history is worth: a tenant that was done within the hour is left alone.
        """
        if time.monotonic() - self._done.get(tenant_id, -_EVERY_SECONDS) < _EVERY_SECONDS:
            return None
        if await self.prune(tenant_id, now=datetime.now(UTC)):
            return datetime.now(UTC) + timedelta(seconds=_LOOK_AGAIN_SECONDS)
        self._done[tenant_id] = time.monotonic()
        return None

    async def prune(self, tenant_id: UUID, *, now: datetime) -> bool:
        """Remove one batch, and return whether there may be more.

        What still waits to be delivered to an enabled endpoint stays, however old it is.
        """
        before = first_id_at(now - timedelta(hours=self._settings.retention_hours))
        inbox_before = first_id_at(now - timedelta(hours=self._settings.inbox_retention_hours))

        async def work(tx: TenantTransaction) -> tuple[int, int]:
            rows = await tx.fetch_all(QUERIES["old_deliveries"], {"end_id": before, "limit": _BATCH})
            ids = [row[0] for row in rows]
            for statement in ("delete_attempts", "delete_deliveries", "delete_messages") if ids else ():
                await tx.execute(QUERIES[statement], {"message_ids": ids})
            return len(ids), await prune_inbox(tx, "notification", before=inbox_before, limit=_BATCH)

        messages, marks = await self._databases.run(tenant_id, work)
        if messages:
            _log.info("pruned %d messages of tenant %s", messages, tenant_id)
        return _BATCH in (messages, marks)
