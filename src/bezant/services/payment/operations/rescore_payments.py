"""Score payments that were decided while the fraud service was down, so that the risk people see them.

Those that were approved stay approved, whatever is found. Those that were held get a case: the fraud service opens
one for each, so that a person can decide.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from bezant.contracts.problems import Problem
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.payment.domain.payments import Status
from bezant.services.payment.events.publishes import rescored_event
from bezant.services.payment.operations.decide import FraudChecks
from bezant.services.payment.storage.payments import lock_payments
from bezant.services.payment.storage.queries import QUERIES

_RETRY_SECONDS = 5


class Rescoring:
    """Due-work handler for payments without a score."""

    def __init__(self, databases: TenantDatabases, fraud: FraudChecks) -> None:
        self._databases = databases
        self._fraud = fraud

    async def rescore(self, tenant_id: UUID) -> datetime | None:
        """Ask the fraud service again; while it is down, or payments are under way, look again in a few seconds."""

        async def unscored(transaction: TenantTransaction) -> tuple[list[UUID], bool]:
            rows = await transaction.fetch_all(QUERIES["unscored_payments"])
            more = await transaction.fetch_one(QUERIES["any_processing"])
            # What is processing is settled first, with a risk of its own.
            return [row[0] for row in rows if row[1] != Status.PROCESSING], any(more or ())

        ids, more = await self._databases.run(tenant_id, unscored)
        if not ids:
            return datetime.now(UTC) + timedelta(seconds=_RETRY_SECONDS) if more else None
        payments = await self._databases.run(tenant_id, lambda tx: lock_payments(tx, ids))
        listed = list(payments.values())
        try:
            assessments = await self._fraud.ask(tenant_id, listed, timeout_seconds=5.0)
        except (Problem, TimeoutError):
            return datetime.now(UTC) + timedelta(seconds=_RETRY_SECONDS)

        async def record(transaction: TenantTransaction) -> None:
            rows = await transaction.fetch_all(
                QUERIES["record_rescore"],
                {
                    "ids": [payment.id for payment in listed],
                    "risks": [
                        msgspec.json.encode(
                            {"decision": a.decision.value, "score": a.score, "reasons": a.reasons}
                        ).decode()
                        for a in assessments
                    ],
                },
            )
            ours = {row[0] for row in rows}
            for payment, assessment in zip(listed, assessments, strict=True):
                if payment.id in ours:
                    transaction.emit(
                        rescored_event(
                            payment,
                            decision=assessment.decision.value,
                            score=assessment.score,
                            reasons=assessment.reasons,
                        )
                    )

        await self._databases.run(tenant_id, record)
        return datetime.now(UTC)
