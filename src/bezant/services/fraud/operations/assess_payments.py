"""Judge a group of a tenant's payments: one round trip to the counters, one transaction."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.fraud import Assessment, AssessmentRequest, Decision
from bezant.foundation.failpoints import failpoint
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.cases import case_origin
from bezant.services.fraud.domain.scoring import explanation, judge
from bezant.services.fraud.domain.velocity import PaymentVelocity
from bezant.services.fraud.events.publishes import assessment_events, case_opened
from bezant.services.fraud.metrics import ASSESSMENTS
from bezant.services.fraud.storage import QUERIES
from bezant.services.fraud.storage.active_rulesets import ActiveRulesets
from bezant.services.fraud.storage.velocity_counters import VelocityCounters

_encoder: Final = msgspec.json.Encoder()


class AssessPayments:
    """Answers one `Assessment` for each request, in order; a payment judged before gets its stored answer."""

    def __init__(self, databases: TenantDatabases, counters: VelocityCounters, rulesets: ActiveRulesets) -> None:
        self._databases = databases
        self._counters = counters
        self._rulesets = rulesets

    async def __call__(self, tenant_id: UUID, requests: Sequence[AssessmentRequest]) -> list[Assessment]:
        """Judge, store and announce. Raises `TenantUnavailable` when the database does not answer."""
        if not requests:
            return []
        velocities = await self._counters.observe(tenant_id, requests)
        failpoint("fraud.after_counting")

        async def work(tx: TenantTransaction) -> list[Assessment]:
            return await self._with_cases(tx, requests, await self._judge_and_store(tx, requests, velocities))

        assessments = await self._databases.run(tenant_id, work)
        failpoint("fraud.after_storing")
        for assessment in assessments:
            if assessment.assessment_id is not None:
                ASSESSMENTS.labels(
                    tenant=str(tenant_id), decision=assessment.decision, degraded=str(assessment.degraded).lower()
                ).inc()
        return assessments

    async def _judge_and_store(
        self, tx: TenantTransaction, requests: Sequence[AssessmentRequest], velocities: list[PaymentVelocity] | None
    ) -> list[Assessment]:
        version, known = await self._known(tx, [r.payment_id for r in requests if not r.dry_run])
        rules = await self._rulesets.of_version(tx, version)
        fresh: dict[UUID, tuple[AssessmentRequest, Assessment, dict[str, Any]]] = {}
        answers: list[Assessment] = []
        for number, request in enumerate(requests):
            if not request.dry_run and request.payment_id in known:
                answers.append(known[request.payment_id])
                continue
            judgement, variables = judge(request, rules, velocities[number] if velocities is not None else None)
            needs_case = judgement.decision is Decision.REVIEW or request.held_for_review
            assessment = Assessment(
                payment_id=request.payment_id,
                decision=judgement.decision,
                score=judgement.score,
                reasons=judgement.reasons,
                ruleset_version=version,
                degraded=judgement.degraded,
                assessment_id=None if request.dry_run else new_id(),
                case_id=new_id() if needs_case and not request.dry_run else None,
            )
            answers.append(assessment)
            if not request.dry_run:
                # A second item about the same payment in the same group gets the answer of the first.
                known[request.payment_id] = assessment
                fresh[request.payment_id] = (request, assessment, variables)
        if not fresh:
            return answers
        lost = await self._store(tx, fresh)
        if lost:
            # Another replica judged the same payment at the same time and was first: its answer stands.
            _, known = await self._known(tx, lost)
            answers = [
                answer if answer.assessment_id is None else known.get(answer.payment_id, answer) for answer in answers
            ]
        return answers

    async def _with_cases(
        self, tx: TenantTransaction, requests: Sequence[AssessmentRequest], answers: list[Assessment]
    ) -> list[Assessment]:
        """Open a case for each held payment whose stored judgement has none: its answer came too late to be heard."""
        held = {
            request.payment_id: (request, msgspec.structs.replace(answer, case_id=new_id()))
            for request, answer in zip(requests, answers, strict=True)
            if request.held_for_review and not request.dry_run and answer.case_id is None
        }
        if not held:
            return answers
        rows = await tx.fetch_all(
            QUERIES["open_cases_of_held"],
            {
                "case_ids": [assessment.case_id for _, assessment in held.values()],
                "assessment_ids": [assessment.assessment_id for _, assessment in held.values()],
                "payment_ids": list(held),
            },
        )
        opened = {row[0]: held[row[0]][1] for row in rows}
        for payment_id, assessment in opened.items():
            tx.emit(case_opened(held[payment_id][0], assessment))
        if len(opened) < len(held):
            # Another replica was first with some of them: its cases stand.
            opened |= (await self._known(tx, [payment_id for payment_id in held if payment_id not in opened]))[1]
        return [opened.get(answer.payment_id, answer) for answer in answers]

    async def _known(self, tx: TenantTransaction, payment_ids: list[UUID]) -> tuple[int, dict[UUID, Assessment]]:
        rows = await tx.fetch_all(QUERIES["active_version_and_known_assessments"], {"payment_ids": payment_ids})
        known = {
            row[1]: Assessment(
                payment_id=row[1],
                assessment_id=row[2],
                decision=Decision(row[3]),
                score=row[4],
                reasons=msgspec.json.decode(row[5], type=list[str]),
                ruleset_version=row[6],
                degraded=row[7],
                case_id=row[8],
            )
            for row in rows
            if row[1] is not None
        }
        return rows[0][0], known

    async def _store(
        self,
        tx: TenantTransaction,
        fresh: dict[UUID, tuple[AssessmentRequest, Assessment, dict[str, Any]]],
    ) -> list[UUID]:
        """Insert what was judged now and announce it; returns the payments that were stored by someone else."""
        rows = [_row(request, assessment, variables) for request, assessment, variables in fresh.values()]
        inserted = await tx.fetch_all(QUERIES["insert_assessments"], {"rows": _encoder.encode(rows).decode()})
        stored = {row[0] for row in inserted}
        for payment_id, (request, assessment, _) in fresh.items():
            if payment_id in stored:
                for event in assessment_events(request, assessment):
                    tx.emit(event)
        return [payment_id for payment_id in fresh if payment_id not in stored]


def _row(request: AssessmentRequest, assessment: Assessment, variables: dict[str, Any]) -> dict[str, Any]:
    return {
        "assessment_id": assessment.assessment_id,
        "payment_id": request.payment_id,
        "source_account_id": request.source_account_id,
        "destination_account_id": request.destination_account_id,
        "amount_minor": request.amount_minor,
        "currency": request.currency,
        "decision": assessment.decision,
        "score": assessment.score,
        "reasons": assessment.reasons,
        "ruleset_version": assessment.ruleset_version,
        "degraded": assessment.degraded,
        "features": explanation(variables),
        "created_at": request.created_at,
        "case_id": assessment.case_id,
        "case_origin": case_origin(request),
    }
