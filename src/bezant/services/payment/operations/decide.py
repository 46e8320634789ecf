"""Ask the fraud service about a group of payments, and the tenant's policy when the service is down.

Down and slow are different. A service is down that cannot be reached, that fails, or that answers nobody
(`FraudSigns`): then the tenant's policy decides. One that answers others, or says that it has too much to do, is slow:
its score is waited for, and a payment that gets none in time stays `processing` until the resolver asks again. So load
alone never lets a payment through without a score.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from bezant.contracts.currencies import CURRENCIES
from bezant.contracts.internal.fraud import ASSESSMENTS_PATH, Assessment, AssessmentRequest, Decision, PaymentContext
from bezant.contracts.problems import DeadlinePassed, Overloaded, Problem, TenantUnavailable
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.internal_calls import InternalCalls
from bezant.services.payment.domain.payments import Payment, Status
from bezant.services.payment.metrics import LEFT_PROCESSING, UNSCORED_PAYMENTS
from bezant.services.payment.operations.fraud_signs import FraudSigns, Silent

_log = logging.getLogger(__name__)
UNSCORED = "fraud_unavailable"
"""The reason code of a decision that was taken without the fraud service."""
_DEFAULT_REVIEW_FROM_MAJOR = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with a payment, and what to remember of why."""

    decision: Decision
    risk: dict[str, Any]
    scored: bool


class FraudChecks:
    """The fraud service as the payment service uses it."""

    def __init__(
        self,
        internal: InternalCalls,
        directory: TenantDirectory,
        *,
        timeout_seconds: float,
        silence_seconds: Callable[[], float],
        wait_seconds: float,
    ) -> None:
        """`timeout_seconds`: how long a payment waits at least before the policy decides; `silence_seconds`: how long
        the service must have answered nobody by then, as things are now; `wait_seconds`: how long the score of a slow
        one is waited for.
        """
        self._internal = internal
        self._directory = directory
        self._wait_seconds = max(wait_seconds, timeout_seconds)
        self._signs = FraudSigns(internal, timeout_seconds=timeout_seconds, silence_seconds=silence_seconds)

    async def assess(self, tenant_id: UUID, payments: list[Payment]) -> list[Verdict]:
        """Return a verdict for each payment; never raises for a fraud service that is down.

        Raises `Overloaded`, `DeadlinePassed` and `TenantUnavailable` when the service answers others, and these
        payments have to wait.
        """
        try:
            asked = self.ask(tenant_id, payments, timeout_seconds=self._wait_seconds)
            assessments = await self._signs.unless_silent(asked)
        except (Overloaded, DeadlinePassed, TenantUnavailable) as error:
            # It answered. The ledger lies in the same database, so that a policy would help no payment there.
            LEFT_PROCESSING.labels(reason=error.code).inc(len(payments))
            raise
        except TimeoutError as error:
            LEFT_PROCESSING.labels(reason="slow").inc(len(payments))
            raise Overloaded("the fraud service is slow; the payments are decided once it has judged them") from error
        except (Problem, Silent) as error:
            reason = "silent" if isinstance(error, Silent) else "failed"
            UNSCORED_PAYMENTS.labels(reason=reason).inc(len(payments))
            _log.warning("the fraud service is down (%s): the tenant's policy decides", reason)
            return [await self._without_score(tenant_id, payment) for payment in payments]
        return [
            Verdict(
                assessment.decision,
                {
                    "decision": assessment.decision.value,
                    "score": assessment.score,
                    "reasons": assessment.reasons,
                    "ruleset_version": assessment.ruleset_version,
                    "scored": True,
                },
                scored=True,
            )
            for assessment in assessments
        ]

    async def ask(self, tenant_id: UUID, payments: list[Payment], *, timeout_seconds: float | None) -> list[Assessment]:
        """Return the fraud service's assessments. Raises `Problem`, `TimeoutError`."""
        return await self._internal.call(
            "fraud",
            ASSESSMENTS_PATH,
            tenant_id,
            [
                AssessmentRequest(
                    payment_id=payment.id,
                    source_account_id=payment.source_account_id,
                    destination_account_id=payment.destination_account_id,
                    amount_minor=payment.amount_minor,
                    currency=payment.currency,
                    created_at=payment.created_at,
                    context=msgspec.convert(payment.context, PaymentContext),
                    held_for_review=payment.status is Status.REQUIRES_REVIEW,
                )
                for payment in payments
            ],
            Assessment,
            timeout_seconds=timeout_seconds,
        )

    async def _without_score(self, tenant_id: UUID, payment: Payment) -> Verdict:
        if payment.unscored_decision is not None:
            # Decided before, and perhaps acted on: the decision stands.
            return unscored(Decision(payment.unscored_decision))
        record = await self._directory.get(tenant_id)
        policy = record.policies.get("fraud_unavailable", {})
        review_from = int(policy.get("review_from_major", _DEFAULT_REVIEW_FROM_MAJOR))
        floor_minor = review_from * 10 ** CURRENCIES[payment.currency].exponent
        return unscored(Decision.REVIEW if payment.amount_minor >= floor_minor else Decision.APPROVE)


def unscored(decision: Decision) -> Verdict:
    """Return the verdict of a decision taken without the fraud service."""
    return Verdict(
        decision, {"decision": decision.value, "score": None, "reasons": [UNSCORED], "scored": False}, scored=False
    )
