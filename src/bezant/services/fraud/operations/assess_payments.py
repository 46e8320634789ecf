"""Judge a group of a tenant's payments: one round trip to the counters, one transaction."""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.fraud import Assessment, AssessmentRequest, Decision
from bezant.foundation.failpoints import failpoint
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.cases import case_origin
from bezant.services.fraud.domain.compiled_rules import CompiledRuleset
from bezant.services.fraud.domain.features import FEATURE_SET, PaymentFacts, feature_values, variables_of
from bezant.services.fraud.domain.models import FraudModel
from bezant.services.fraud.domain.scoring import VELOCITY_INCOMPLETE, VELOCITY_UNAVAILABLE, judge
from bezant.services.fraud.domain.velocity import PaymentVelocity, amount_major, entity_digest
from bezant.services.fraud.events.publishes import assessment_events, case_opened
from bezant.services.fraud.metrics import ASSESSMENTS, DECISION_SECONDS
from bezant.services.fraud.operations.recount_velocity import VelocityHistory, has_history
from bezant.services.fraud.storage import QUERIES
from bezant.services.fraud.storage.active_rulesets import ActiveRulesets
from bezant.services.fraud.storage.velocity_counters import VelocityCounters

_encoder: Final = msgspec.json.Encoder()
_NO_VELOCITY: Final = PaymentVelocity()


class _Fresh(NamedTuple):
    """A payment that is judged now, with what is stored beside the answer."""

    request: AssessmentRequest
    assessment: Assessment
    features: tuple[float, ...]
    shadow: dict[str, Any] | None


class _Known(NamedTuple):
    """What the database says before a group is judged."""

    version: int
    shadow_version: int | None
    assessments: dict[UUID, Assessment]


class AssessPayments:
    """Answers one `Assessment` for each request, in order; a payment judged before gets its stored answer."""

    def __init__(
        self,
        databases: TenantDatabases,
        counters: VelocityCounters,
        rulesets: ActiveRulesets,
        *,
        history: VelocityHistory | None = None,
        model: FraudModel | None = None,
        model_is_active: bool = False,
    ) -> None:
        self._databases = databases
        self._counters = counters
        self._rulesets = rulesets
        self._history = history
        self._model = model
        self._model_is_active = model_is_active

    async def __call__(self, tenant_id: UUID, requests: Sequence[AssessmentRequest]) -> list[Assessment]:
        """Judge, store and announce. Raises `TenantUnavailable` when the database does not answer."""
        if not requests:
            return []
        began = time.perf_counter()
        velocities = await self._counters.observe(tenant_id, requests)
        forgotten = frozenset[int]() if velocities is None else velocities.forgotten
        if forgotten and self._history is not None:
            self._history.recount(tenant_id, forgotten)
        failpoint("fraud.after_counting")
        seen = None if velocities is None else velocities.of_payments

        async def work(tx: TenantTransaction) -> list[Assessment]:
            incomplete = bool(forgotten) and await has_history(tx)
            judged = await self._judge_and_store(tx, requests, seen, incomplete=incomplete)
            return await self._with_cases(tx, requests, judged)

        assessments = await self._databases.run(tenant_id, work)
        failpoint("fraud.after_storing")
        DECISION_SECONDS.observe(time.perf_counter() - began)
        for assessment in assessments:
            if assessment.assessment_id is not None:
                ASSESSMENTS.labels(
                    tenant=str(tenant_id), decision=assessment.decision, degraded=str(assessment.degraded).lower()
                ).inc()
        return assessments

    async def _judge_and_store(
        self,
        tx: TenantTransaction,
        requests: Sequence[AssessmentRequest],
        velocities: list[PaymentVelocity] | None,
        *,
        incomplete: bool,
    ) -> list[Assessment]:
        found = await self._known(tx, [r.payment_id for r in requests if not r.dry_run])
        known = found.assessments
        rules = await self._rulesets.of_version(tx, found.version)
        shadow = None
        if found.shadow_version is not None:
            shadow = await self._rulesets.of_version(tx, found.shadow_version)
        fresh: dict[UUID, _Fresh] = {}
        answers: list[Assessment] = []
        for number, request in enumerate(requests):
            if not request.dry_run and request.payment_id in known:
                answers.append(known[request.payment_id])
                continue
            velocity = velocities[number] if velocities is not None else None
            judged = self._judge(request, velocity, rules, shadow, incomplete=incomplete)
            answers.append(judged.assessment)
            if not request.dry_run:
                # A second item about the same payment in the same group gets the answer of the first.
                known[request.payment_id] = judged.assessment
                fresh[request.payment_id] = judged
        if not fresh:
            return answers
        lost = await self._store(tx, fresh)
        if lost:
            # Another replica judged the same payment at the same time and was first: its answer stands.
            known = (await self._known(tx, lost)).assessments
            answers = [
                answer if answer.assessment_id is None else known.get(answer.payment_id, answer) for answer in answers
            ]
        return answers

    def _judge(
        self,
        request: AssessmentRequest,
        velocity: PaymentVelocity | None,
        rules: CompiledRuleset,
        shadow_rules: CompiledRuleset | None,
        *,
        incomplete: bool,
    ) -> _Fresh:
        facts = PaymentFacts.of(request)
        amount = amount_major(request.amount_minor, request.currency)
        features = feature_values(amount, velocity or _NO_VELOCITY)
        model_score = 0.0 if self._model is None else self._model.score(features)
        variables = variables_of(facts, features, model_score if self._model_is_active else 0.0)
        judgement = judge(facts, variables, rules, with_velocity=velocity is not None)
        reasons = judgement.reasons
        if velocity is None:
            reasons = [*reasons, VELOCITY_UNAVAILABLE]
        elif incomplete:
            reasons = [*reasons, VELOCITY_INCOMPLETE]
        needs_case = judgement.decision is Decision.REVIEW or request.held_for_review
        assessment = Assessment(
            payment_id=request.payment_id,
            decision=judgement.decision,
            score=judgement.score,
            reasons=reasons,
            ruleset_version=rules.version,
            degraded=velocity is None or incomplete,
            assessment_id=None if request.dry_run else new_id(),
            case_id=new_id() if needs_case and not request.dry_run else None,
        )
        shadow: dict[str, Any] = {}
        if self._model is not None:
            shadow = {"model": self._model.name, "model_score": round(model_score, 6)}
        if shadow_rules is not None:
            other = judge(facts, variables, shadow_rules, with_velocity=velocity is not None)
            shadow |= {
                "ruleset_version": shadow_rules.version,
                "decision": other.decision,
                "score": other.score,
                "reasons": other.reasons,
            }
        return _Fresh(request, assessment, features, shadow or None)

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
            opened |= (
                await self._known(tx, [payment_id for payment_id in held if payment_id not in opened])
            ).assessments
        return [opened.get(answer.payment_id, answer) for answer in answers]

    async def _known(self, tx: TenantTransaction, payment_ids: list[UUID]) -> _Known:
        rows = await tx.fetch_all(QUERIES["active_versions_and_known_assessments"], {"payment_ids": payment_ids})
        known = {
            row[2]: Assessment(
                payment_id=row[2],
                assessment_id=row[3],
                decision=Decision(row[4]),
                score=row[5],
                reasons=msgspec.json.decode(row[6], type=list[str]),
                ruleset_version=row[7],
                degraded=row[8],
                case_id=row[9],
            )
            for row in rows
            if row[2] is not None
        }
        return _Known(rows[0][0], rows[0][1], known)

    async def _store(self, tx: TenantTransaction, fresh: dict[UUID, _Fresh]) -> list[UUID]:
        """Insert what was judged now and announce it; returns the payments that were stored by someone else."""
        rows = [_row(tx.tenant_id, judged) for judged in fresh.values()]
        inserted = await tx.fetch_all(QUERIES["insert_assessments"], {"rows": _encoder.encode(rows).decode()})
        stored = {row[0] for row in inserted}
        for payment_id, judged in fresh.items():
            if payment_id in stored:
                for event in assessment_events(judged.request, judged.assessment):
                    tx.emit(event)
        return [payment_id for payment_id in fresh if payment_id not in stored]


def _row(tenant_id: UUID, judged: _Fresh) -> dict[str, Any]:
    request, assessment, features, shadow = judged
    context = request.context
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
        "feature_values": _encoder.encode(features).decode(),
        "created_at": request.created_at,
        "case_id": assessment.case_id,
        "case_origin": case_origin(request),
        "feature_set": FEATURE_SET,
        "device_digest": _digest(tenant_id, context.device_id),
        "ip_digest": _digest(tenant_id, context.ip),
        "country": context.country or None,
        "shadow": shadow,
    }


def _digest(tenant_id: UUID, entity: str | None) -> str | None:
    return f"\\x{entity_digest(tenant_id, entity.encode()).hex()}" if entity else None
