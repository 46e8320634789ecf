"""Carry payments that are `processing` to their outcome: fraud, ledger, and one transaction with the events.

Used by the request that made the payments and by the resolver that carries on after a crash. Every stage can be
repeated: fraud and ledger answer the same for the same payment id, and the last transaction takes effect only
while the payment is processing and this attempt owns it.

What makes a crash harmless, line by line:

- before the ledger is asked, each decision is durable: the fraud service's in its own database, one that was
  taken without it in `unscored_decision`; a repetition decides the same;
- the ledger's transfer has the payment's id, so that a second command finds the first one's transfer;
- when the ledger has the id with other content (another attempt decided otherwise while fraud was away), the
  ledger is right, and the outcome is read from it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from bezant.contracts.internal.fraud import Decision
from bezant.contracts.internal.ledger import CommandResult, CreateTransfer, LookedUpTransfer, LookupTransfer
from bezant.contracts.problems import Problem
from bezant.foundation.due_work import DueWork
from bezant.foundation.failpoints import failpoint
from bezant.foundation.internal_calls import InternalCalls
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.payment.domain.payments import Payment, Status, payment_legs
from bezant.services.payment.events.publishes import payment_event
from bezant.services.payment.operations.answers import encode, payment_document
from bezant.services.payment.operations.decide import FraudChecks, Verdict, unscored
from bezant.services.payment.storage.queries import QUERIES

_log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
EXPIRY = "expiry"
RESCORE = "rescore"
# The first look comes twice as long after the decision; it goes on for as long as payments are processing.
_RESCORE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a payment becomes."""

    payment: Payment
    status: Status
    reason_code: str | None
    captured_minor: int
    verdict: Verdict


class PaymentSettlement:
    """Settles groups of one tenant's payments."""

    def __init__(
        self, databases: TenantDatabases, internal: InternalCalls, fraud: FraudChecks, due_work: DueWork
    ) -> None:
        self._databases = databases
        self._internal = internal
        self._fraud = fraud
        self._due_work = due_work

    async def settle(self, tenant_id: UUID, payments: list[Payment]) -> dict[UUID, Payment]:
        """Return the payments that were settled, by id; one that is missing is still processing.

        What is missing is carried on by the resolver. Raises nothing for services that are down.
        """
        try:
            verdicts = await self._decide(tenant_id, payments)
            failpoint("payment.create.after_fraud")
            outcomes = await self._act(tenant_id, verdicts)
            failpoint("payment.create.after_ledger")
            return await self._record(tenant_id, outcomes)
        except Problem as error:
            _log.warning("%d payments stay processing: %s", len(payments), error.detail)
            return {}

    async def _decide(self, tenant_id: UUID, payments: list[Payment]) -> list[tuple[Payment, Verdict]]:
        decided = [
            (payment, unscored(Decision(payment.unscored_decision)))
            for payment in payments
            if payment.unscored_decision is not None
        ]
        open_ones = [payment for payment in payments if payment.unscored_decision is None]
        verdicts = await self._fraud.assess(tenant_id, open_ones) if open_ones else []
        pairs = list(zip(open_ones, verdicts, strict=True))
        degraded = [(payment, verdict) for payment, verdict in pairs if not verdict.scored]
        if degraded:
            ours = await self._record_unscored(tenant_id, degraded)
            pairs = [(payment, verdict) for payment, verdict in pairs if verdict.scored or payment.id in ours]
        return pairs + decided

    async def _record_unscored(self, tenant_id: UUID, degraded: list[tuple[Payment, Verdict]]) -> set[UUID]:
        async def record(transaction: TenantTransaction) -> set[UUID]:
            rows = await transaction.fetch_all(
                QUERIES["record_unscored"],
                {
                    "ids": [payment.id for payment, _ in degraded],
                    "decisions": [verdict.decision.value for _, verdict in degraded],
                    "attempts": [payment.attempt for payment, _ in degraded],
                },
            )
            return {row[0] for row in rows}

        await self._due_work.guard(tenant_id, RESCORE, within_seconds=_RESCORE_SECONDS)
        return await self._databases.run(tenant_id, record)

    async def _act(self, tenant_id: UUID, verdicts: list[tuple[Payment, Verdict]]) -> list[Outcome]:
        outcomes = [
            Outcome(payment, Status.DECLINED, _decline_reason(verdict), 0, verdict)
            for payment, verdict in verdicts
            if verdict.decision is Decision.DECLINE
        ]
        accepted = [(payment, verdict) for payment, verdict in verdicts if verdict.decision is not Decision.DECLINE]
        if not accepted:
            return outcomes
        results: list[CommandResult] = await self._internal.call(
            "transaction",
            "ledger/commands",
            tenant_id,
            [self._command(payment, verdict) for payment, verdict in accepted],
            CommandResult,
        )
        conflicting = []
        for (payment, verdict), result in zip(accepted, results, strict=True):
            if result.status == "refused" and result.reason_code == "transfer_id_reused":
                conflicting.append((payment, verdict))
            elif result.status == "refused":
                outcomes.append(Outcome(payment, Status.FAILED, result.reason_code, 0, verdict))
            else:
                status, captured = _moved(payment, verdict, held=_is_hold(payment, verdict))
                outcomes.append(Outcome(payment, status, None, captured, verdict))
        if conflicting:
            outcomes += await self._adopt(tenant_id, conflicting)
        return outcomes

    def _command(self, payment: Payment, verdict: Verdict) -> CreateTransfer:
        held = _is_hold(payment, verdict)
        return CreateTransfer(
            id=payment.id,
            currency=payment.currency,
            legs=payment_legs(payment, payment.amount_minor, payment.splits),
            pending=held,
            expires_at=payment.expires_at if held else None,
            reference=payment.reference,
            actor=payment.actor,
        )

    async def _adopt(self, tenant_id: UUID, conflicting: list[tuple[Payment, Verdict]]) -> list[Outcome]:
        """Read from the ledger what another attempt at these payments has done."""
        found: list[LookedUpTransfer] = await self._internal.call(
            "transaction",
            "ledger/lookup",
            tenant_id,
            [LookupTransfer(transfer_id=payment.id) for payment, _ in conflicting],
            LookedUpTransfer,
        )
        outcomes = []
        for (payment, verdict), transfer in zip(conflicting, found, strict=True):
            _log.warning(
                "payment %s was decided by another attempt; the ledger has it as %s", payment.id, transfer.kind
            )
            held = transfer.kind == "pending"
            kept = unscored(Decision.REVIEW if held and payment.capture == "automatic" else verdict.decision)
            status, captured = _moved(payment, kept, held=held)
            outcomes.append(Outcome(payment, status, None, captured, kept))
        return outcomes

    async def _record(self, tenant_id: UUID, outcomes: Sequence[Outcome]) -> dict[UUID, Payment]:
        """Write the outcomes, the answers and the events in one statement."""
        if not outcomes:
            return {}
        now = datetime.now(UTC)

        settled_as = {outcome.payment.id: _settled(outcome, now) for outcome in outcomes}

        rows = await self._databases.announce(
            tenant_id,
            QUERIES["settle_payments"],
            {"rows": _encoder.encode([_row(payment) for payment in settled_as.values()]).decode()},
            # nothing was said of a payment while it was processing: this event is its first
            [
                (payment.id, replace(payment_event(payment, actor=payment.actor), opens=True))
                for payment in settled_as.values()
            ],
        )
        ours = {row[0] for row in rows}
        settled = {payment_id: payment for payment_id, payment in settled_as.items() if payment_id in ours}
        failpoint("payment.create.after_record")
        await self._watch_expiry(tenant_id, settled)
        return settled

    async def _watch_expiry(self, tenant_id: UUID, settled: dict[UUID, Payment]) -> None:
        expiries = [
            payment.expires_at
            for payment in settled.values()
            if payment.expires_at is not None and payment.status in (Status.AUTHORIZED, Status.REQUIRES_REVIEW)
        ]
        if not expiries:
            return
        try:
            await self._due_work.schedule(tenant_id, EXPIRY, min(expiries))
        except Problem as error:
            # The full sweep looks at every tenant's expiries as well.
            _log.info("no hint for an expiry: %s", error.detail)


class _Row(msgspec.Struct):
    id: UUID
    attempt: int
    status: str
    reason: str | None
    captured: int
    risk: dict[str, Any]
    at: datetime
    key: str
    body: msgspec.Raw


def _row(payment: Payment) -> _Row:
    return _Row(
        id=payment.id,
        attempt=payment.attempt,
        status=payment.status.value,
        reason=payment.reason_code,
        captured=payment.captured_minor,
        risk=payment.risk,
        at=payment.updated_at,
        key=payment.idempotency_key,
        body=msgspec.Raw(encode(payment_document(payment))),
    )


def _settled(outcome: Outcome, now: datetime) -> Payment:
    payment = replace(
        outcome.payment,
        reason_code=outcome.reason_code,
        captured_minor=outcome.captured_minor,
        risk=outcome.verdict.risk,
        updated_at=now,
    )
    payment.move(outcome.status)
    return payment


def _is_hold(payment: Payment, verdict: Verdict) -> bool:
    return payment.capture == "manual" or verdict.decision is Decision.REVIEW


def _moved(payment: Payment, verdict: Verdict, *, held: bool) -> tuple[Status, int]:
    if not held:
        return Status.CAPTURED, payment.amount_minor
    return (Status.REQUIRES_REVIEW if verdict.decision is Decision.REVIEW else Status.AUTHORIZED), 0


def _decline_reason(verdict: Verdict) -> str:
    reasons: list[str] = verdict.risk.get("reasons") or []
    return reasons[0] if reasons else "fraud_declined"
