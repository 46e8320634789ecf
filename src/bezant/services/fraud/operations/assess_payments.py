"""Judge a group of a tenant's payments: one round trip to the counters, one statement.

A payment is judged by the rule sets that this process last saw at work for the tenant. The statement that stores the
judgement checks that they still are; if not, or if a payment was judged before, what is known is read first and the
payment judged again.
"""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.fraud import Assessment, AssessmentRequest, Decision
from bezant.contracts.problems import TenantUnavailable
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
_ATTEMPTS: Final = 4


class _Fresh(NamedTuple):
    """A payment that is judged now, with what is stored beside the answer."""

    request: AssessmentRequest
    assessment: Assessment
    features: tuple[float, ...]
    shadow: dict[str, Any] | None


class _Rules(NamedTuple):
    """What judges a tenant's payments: the rule set in earnest, and the one in shadow if there is one."""

    active: CompiledRuleset
    shadow: CompiledRuleset | None

    @property
    def versions(self) -> tuple[int, int | None]:
        """The versions of both."""
        return self.active.version, None if self.shadow is None else self.shadow.version


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
        self._seen_versions: dict[UUID, tuple[int, int | None]] = {}

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

        assessments = await self._judge_and_store(tenant_id, requests, seen, forgotten=bool(forgotten))
        if any(_lacks_case(request, answer) for request, answer in zip(requests, assessments, strict=True)):
            judged = assessments
            assessments = await self._databases.run(tenant_id, lambda tx: self._with_cases(tx, requests, judged))
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
        tenant_id: UUID,
        requests: Sequence[AssessmentRequest],
        velocities: list[PaymentVelocity] | None,
        *,
        forgotten: bool,
    ) -> list[Assessment]:
        known: dict[UUID, Assessment] = {}
        rules = self._remembered(tenant_id)
        incomplete = False
        if rules is None or forgotten or any(request.dry_run for request in requests):
            rules, known, incomplete = await self._read(tenant_id, requests, forgotten=forgotten)
        for _ in range(_ATTEMPTS):
            fresh: dict[UUID, _Fresh] = {}
            answers: list[Assessment] = []
            for number, request in enumerate(requests):
                if not request.dry_run:
                    # A second item about the same payment in the same group gets the answer of the first.
                    stored = known.get(request.payment_id)
                    first = fresh.get(request.payment_id)
                    if stored is not None or first is not None:
                        answers.append(stored if stored is not None else first.assessment)  # type: ignore[union-attr]
                        continue
                velocity = velocities[number] if velocities is not None else None
                judged = self._judge(request, velocity, rules.active, rules.shadow, incomplete=incomplete)
                answers.append(judged.assessment)
                if not request.dry_run:
                    fresh[request.payment_id] = judged
            if not fresh or await self._store(tenant_id, fresh, rules):
                return answers
            # The rules have changed since, or payments were judged before, perhaps by another replica just now.
            rules, known, incomplete = await self._read(tenant_id, requests, forgotten=forgotten)
        raise TenantUnavailable(
            "the rules of this tenant changed again and again while its payments were judged; send them again",
            retry_after_seconds=1,
        )

    def _remembered(self, tenant_id: UUID) -> _Rules | None:
        versions = self._seen_versions.get(tenant_id)
        if versions is None:
            return None
        active = self._rulesets.cached(tenant_id, versions[0])
        shadow = None if versions[1] is None else self._rulesets.cached(tenant_id, versions[1])
        if active is None or (shadow is None and versions[1] is not None):
            return None
        return _Rules(active, shadow)

    async def _read(
        self, tenant_id: UUID, requests: Sequence[AssessmentRequest], *, forgotten: bool
    ) -> tuple[_Rules, dict[UUID, Assessment], bool]:
        """Return the rule sets at work, what was judged before, and whether the counters lack a part of the history."""

        async def work(tx: TenantTransaction) -> tuple[_Rules, dict[UUID, Assessment], bool]:
            found = await self._known(tx, [request.payment_id for request in requests if not request.dry_run])
            active = await self._rulesets.of_version(tx, found.version)
            shadow = None
            if found.shadow_version is not None:
                shadow = await self._rulesets.of_version(tx, found.shadow_version)
            return _Rules(active, shadow), found.assessments, forgotten and await has_history(tx)

        rules, known, incomplete = await self._databases.run(tenant_id, work)
        self._seen_versions[tenant_id] = rules.versions
        return rules, known, incomplete

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
            if _lacks_case(request, answer)
        }
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

    async def _store(self, tenant_id: UUID, fresh: dict[UUID, _Fresh], rules: _Rules) -> bool:
        """Store and announce what was judged; False unless all of it was new and judged by the rules at work."""
        version, shadow_version = rules.versions
        rows = await self._databases.announce(
            tenant_id,
            QUERIES["insert_assessments"],
            {
                "rows": _encoder.encode([_row(tenant_id, judged) for judged in fresh.values()]).decode(),
                "version": version,
                "shadow_version": shadow_version,
            },
            [
                (payment_id, event)
                for payment_id, judged in fresh.items()
                for event in assessment_events(judged.request, judged.assessment)
            ],
        )
        return len([row for row in rows if row[2] is not None]) == len(fresh)


def _lacks_case(request: AssessmentRequest, answer: Assessment) -> bool:
    return request.held_for_review and not request.dry_run and answer.case_id is None


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
