"""Payments that were held while the fraud service was away get a case, so that a person can decide."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec

from bezant.contracts.internal.fraud import AssessmentRequest, Decision
from bezant.services.fraud.domain.cases import CaseStatus
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.operations.read_cases import CaseFilter, list_cases

from ..stores.fixtures import Stores
from .test_assessing import outbox, request


async def _cases(stores: Stores, tenant: UUID) -> list[Any]:
    wanted = CaseFilter(status=CaseStatus.OPEN)
    return await list_cases(stores.databases("fraud"), tenant, wanted=wanted, after=None, limit=10)


def _held(given: AssessmentRequest) -> AssessmentRequest:
    return msgspec.structs.replace(given, held_for_review=True)


async def test_a_held_payment_that_the_rules_would_approve_waits_for_a_person(
    assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    (answer,) = await assess(tenant, [request(held_for_review=True)])
    assert (answer.decision, answer.case_id is not None) == (Decision.APPROVE, True)
    (case,) = await _cases(stores, tenant)
    assert (case.id, case.payment_id, case.origin) == (answer.case_id, answer.payment_id, "fraud_unavailable")
    assert await outbox(stores, tenant) == ["fraud.assessed", "fraud.case_opened"]


async def test_a_judgement_that_came_too_late_is_kept_and_gets_a_case(
    assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    given = request()
    (unheard,) = await assess(tenant, [given])
    assert unheard.case_id is None
    (heard,) = await assess(tenant, [_held(given)])
    assert msgspec.structs.replace(heard, case_id=None) == unheard, "the judgement itself never changes"
    (again,) = await assess(tenant, [_held(given)])
    assert again == heard
    assert [case.id for case in await _cases(stores, tenant)] == [heard.case_id]
    assert await outbox(stores, tenant) == ["fraud.assessed", "fraud.case_opened"]


async def test_a_case_that_a_rule_opened_serves_a_held_payment_too(
    assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    given = request(1_500_000)
    (by_rule,) = await assess(tenant, [given])
    (again,) = await assess(tenant, [_held(given)])
    assert again == by_rule
    (case,) = await _cases(stores, tenant)
    assert case.origin == "rules"


async def test_replicas_at_once_open_one_case(assess: AssessPayments, stores: Stores, tenant: UUID) -> None:
    given = request()
    await assess(tenant, [given])
    answers = await asyncio.gather(*(assess(tenant, [_held(given), _held(given)]) for _ in range(6)))
    (case,) = await _cases(stores, tenant)
    assert {answer.case_id for group in answers for answer in group} == {case.id}
    assert await outbox(stores, tenant) == ["fraud.assessed", "fraud.case_opened"]


async def test_a_dry_run_opens_nothing(assess: AssessPayments, stores: Stores, tenant: UUID) -> None:
    (answer,) = await assess(tenant, [request(held_for_review=True, dry_run=True)])
    assert answer.case_id is None
    assert await _cases(stores, tenant) == []
