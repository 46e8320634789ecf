"""Count a tenant's velocity anew from its assessments, after the counters were lost or were never filled.

The last seven days go through the counters payment by payment; what is older, as far back as the counters
remember, a day at a time as one sum for each pair of accounts, device and address. Payments are counted once by
their ids, so that what is judged meanwhile is neither lost nor doubled.
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from bezant.contracts.identifiers import first_id_at
from bezant.contracts.problems import Problem
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.problems import VelocityUnavailable
from bezant.services.fraud.domain.velocity import Observed, amount_major, entity_digest
from bezant.services.fraud.metrics import VELOCITY_RECOUNTED
from bezant.services.fraud.settings import FraudSettings
from bezant.services.fraud.storage import QUERIES
from bezant.services.fraud.storage.velocity_counters import UNREACHABLE, VelocityCounters

_log = logging.getLogger(__name__)
_PAGE: Final = 500
_WINDOWED: Final = timedelta(days=7, hours=15)
"""The longest window and its current bucket."""
_DAY: Final = timedelta(days=1)
_DAY_TIMEOUT_SECONDS: Final = 60.0
"""To sum up one day of a large tenant; on the reader, where nobody waits for it."""
_MOMENT: Final = timedelta(seconds=30)
_NOTHING: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Recounted:
    """What was counted."""

    payments: int
    """One by one."""
    older_payments: int
    """As daily sums."""


async def has_history(tx: TenantTransaction) -> bool:
    """Return whether the tenant's payments go back further than a moment.

    What is judged without counters is judged without what they would have said then; a tenant's first payments,
    whose counters have yet to be marked whole, are not.
    """
    first = await tx.fetch_one(QUERIES["first_assessment"], {"since": _NOTHING})
    return first is not None and first[0] < first_id_at(datetime.now(UTC) - _MOMENT)


class VelocityHistory:
    """Recounts in the background, one tenant at a time, by one process of the fleet."""

    def __init__(self, databases: TenantDatabases, counters: VelocityCounters, settings: FraudSettings) -> None:
        self._databases = databases
        self._counters = counters
        self._settings = settings
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()

    def recount(self, tenant_id: UUID, partitions: frozenset[int]) -> None:
        """Begin to count these partitions of a tenant anew, unless that is being done."""
        if tenant_id not in self._running:
            task = asyncio.create_task(self._recount_if_claimed(tenant_id, partitions))
            self._running[tenant_id] = task
            task.add_done_callback(lambda _: self._running.pop(tenant_id, None))

    async def recount_now(self, tenant_id: UUID) -> Recounted:
        """Forget all of a tenant's counters and count them anew.

        Raises `VelocityUnavailable`, `TenantUnavailable`.
        """
        try:
            await self._counters.forget(tenant_id)
            return await self._recount(tenant_id, self._counters.all_partitions)
        except UNREACHABLE as error:
            raise VelocityUnavailable(
                "The velocity counters do not answer; payments are judged without them meanwhile. Try again later.",
                retry_after_seconds=5,
            ) from error

    async def close(self) -> None:
        """Give up what is running; the next payment of the tenant begins it again."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _recount_if_claimed(self, tenant_id: UUID, partitions: frozenset[int]) -> None:
        try:
            if not await self._counters.claim_recount(tenant_id):
                return
            async with self._one_at_a_time:
                counted = await self._recount(tenant_id, partitions)
            await self._counters.end_recount(tenant_id)
        except (*UNREACHABLE, Problem) as error:
            _log.warning("velocity of tenant %s is not counted anew yet: %s", tenant_id, type(error).__name__)
            return
        if counted.payments or counted.older_payments:
            _log.warning(
                "velocity of tenant %s was counted anew in %d partitions: %d payments, %d older ones",
                tenant_id, len(partitions), counted.payments, counted.older_payments,
            )  # fmt: skip

    async def _recount(self, tenant_id: UUID, partitions: frozenset[int]) -> Recounted:
        now = datetime.now(UTC)
        if not await self._began_before(tenant_id, now - timedelta(seconds=self._settings.counting_horizon_seconds)):
            # Every payment there is can still be told from another by its id: all partitions are done at once.
            partitions = self._counters.all_partitions
        recent = first_id_at(now - _WINDOWED)
        older = await self._count_older(tenant_id, partitions, now)
        payments, after = 0, recent
        while True:
            # From the writer: a reader may lag behind what was counted a moment before the loss.
            async with self._databases.transaction(tenant_id) as tx:
                rows = await tx.fetch_all(QUERIES["recent_history"], {"after": after, "limit": _PAGE})
            if not rows:
                break
            await self._counters.renew_recount(tenant_id)
            await self._counters.count(tenant_id, [_one(tenant_id, row) for row in rows], partitions=partitions)
            payments, after = payments + len(rows), rows[-1][0]
        await self._counters.mark_whole(tenant_id, partitions)
        VELOCITY_RECOUNTED.labels(tenant=str(tenant_id)).inc(payments + older)
        return Recounted(payments, older)

    async def _began_before(self, tenant_id: UUID, moment: datetime) -> bool:
        async with self._databases.transaction(tenant_id) as tx:
            first = await tx.fetch_one(QUERIES["first_assessment"], {"since": _NOTHING})
        return first is not None and first[0] < first_id_at(moment)

    async def _count_older(self, tenant_id: UUID, partitions: frozenset[int], now: datetime) -> int:
        oldest, end = now - _DAY * self._settings.partner_memory_days, now - _WINDOWED
        counted = 0
        while True:
            async with self._databases.transaction(
                tenant_id, read_only=True, timeout_seconds=_DAY_TIMEOUT_SECONDS
            ) as tx:
                first = await tx.fetch_one(QUERIES["first_assessment"], {"since": first_id_at(oldest)})
                if first is None or first[0] >= first_id_at(end):
                    return counted
                # Days without payments are passed over at once.
                oldest = max(oldest, datetime.fromtimestamp((first[0].int >> 80) / 1000, UTC))
                until = min(oldest + _DAY, end)
                rows = await tx.fetch_all(
                    QUERIES["older_history"], {"since": first_id_at(oldest), "before": first_id_at(until)}
                )
            for start in range(0, len(rows), _PAGE):
                await self._counters.renew_recount(tenant_id)
                sums = [_several(tenant_id, row, oldest) for row in rows[start : start + _PAGE]]
                await self._counters.count(tenant_id, sums, partitions=partitions)
                counted += sum(each.payments for each in sums)
            oldest = until


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _one(tenant_id: UUID, row: tuple[Any, ...]) -> Observed:
    _, payment_id, source, destination, amount_minor, currency, created_at, device, ip = row
    return Observed(
        payment_id=payment_id.bytes,
        source=entity_digest(tenant_id, source.bytes),
        destination=entity_digest(tenant_id, destination.bytes),
        device=device,
        ip=ip,
        at_ms=_milliseconds(created_at),
        amount_major=amount_major(amount_minor, currency),
        counts=True,
    )


def _several(tenant_id: UUID, row: tuple[Any, ...], day: datetime) -> Observed:
    source, destination, currency, device, ip, count, amount_minor, first, last = row
    name = f"{day.isoformat()} {source} {destination} {currency} {device!r} {ip!r}"
    return Observed(
        payment_id=hashlib.blake2b(name.encode(), digest_size=16).digest(),
        source=entity_digest(tenant_id, source.bytes),
        destination=entity_digest(tenant_id, destination.bytes),
        device=device,
        ip=ip,
        at_ms=_milliseconds(last),
        amount_major=amount_major(int(amount_minor), currency),
        counts=True,
        payments=count,
        first_ms=_milliseconds(first),
    )
