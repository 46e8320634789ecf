"""Judging groups of payments on a real PostgreSQL and a real Valkey."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError

from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.fraud import AssessmentRequest, Decision, PaymentContext
from bezant.services.fraud.domain.features import FEATURE_NAMES
from bezant.services.fraud.domain.rules import DEFAULT_RULESET, Rule, RuleAction
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.operations.change_rules import replace_rules
from bezant.services.fraud.operations.read_cases import read_assessment
from bezant.services.fraud.settings import FraudSettings
from bezant.services.fraud.storage.active_rulesets import ActiveRulesets
from bezant.services.fraud.storage.velocity_counters import VelocityCounters

from ..stores.fixtures import Stores, free_port

COUNT_24H, AMOUNT_24H = (FEATURE_NAMES.index(f"source_{what}_24h") for what in ("count", "amount"))
SOURCE = UUID(int=1)
DESTINATION = UUID(int=2)


def request(amount_minor: int = 1_000, **changes: Any) -> AssessmentRequest:
    values: dict[str, Any] = {
        "payment_id": new_id(),
        "source_account_id": SOURCE,
        "destination_account_id": DESTINATION,
        "amount_minor": amount_minor,
        "currency": "USD",
        "created_at": datetime.now(UTC),
    }
    return AssessmentRequest(**(values | changes))


async def outbox(stores: Stores, tenant: UUID) -> list[str]:
    rows = await stores.as_superuser(tenant, "SELECT envelope::json->>'type' FROM fraud.outbox ORDER BY n")
    return [row[0] for row in rows]


async def test_an_ordinary_payment_is_approved_and_announced(
    assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    (answer,) = await assess(tenant, [request()])
    assert (answer.decision, answer.score, answer.reasons, answer.degraded) == (Decision.APPROVE, 0, [], False)
    assert answer.assessment_id is not None
    assert answer.case_id is None
    assert await outbox(stores, tenant) == ["fraud.assessed"]


async def test_a_large_payment_is_held_for_review_with_a_case(
    assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    (answer,) = await assess(tenant, [request(1_500_000)])
    assert answer.decision is Decision.REVIEW
    assert answer.reasons == ["high_amount", "new_destination_large"]
    assert answer.score == 100
    assert await stores.as_superuser(tenant, "SELECT case_id, payment_id, status FROM fraud.cases") == [
        (answer.case_id, answer.payment_id, "open")
    ]
    assert await outbox(stores, tenant) == ["fraud.assessed", "fraud.case_opened"]


async def test_asking_twice_gives_the_first_answer_and_counts_once(
    assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    first = request(1_500_000)
    (answer,) = await assess(tenant, [first])
    again = await assess(tenant, [first, first, request()])
    assert again[:2] == [answer, answer]
    assert await stores.as_superuser(
        tenant, f"SELECT (feature_values::jsonb->>{COUNT_24H})::int FROM fraud.assessments ORDER BY assessment_id"
    ) == [(1,), (2,)]
    assert (await outbox(stores, tenant)).count("fraud.assessed") == 2


async def test_a_payment_that_was_counted_but_not_stored_is_not_counted_again(
    assess: AssessPayments, counters: VelocityCounters, tenant: UUID
) -> None:
    lost = request(500_000)
    before = await counters.observe(tenant, [lost])
    (answer,) = await assess(tenant, [lost])
    assert await counters.observe(tenant, [lost]) == before
    assert before is not None
    assert before.of_payments[0].source.count_1m == 1
    # The destination is still new to this payment, though the first attempt has left a trace of it.
    assert answer.reasons == ["new_destination_large"]


async def test_later_items_of_a_group_see_earlier_ones(assess: AssessPayments, stores: Stores, tenant: UUID) -> None:
    group = [request() for _ in range(120)]
    answers = await assess(tenant, group)
    assert [answer.decision for answer in answers] == [Decision.APPROVE] * 100 + [Decision.DECLINE] * 20
    assert answers[-1].reasons == ["velocity_burst"]
    sums = await stores.as_superuser(
        tenant, f"SELECT max((feature_values::jsonb->>{AMOUNT_24H})::float), count(*) FROM fraud.assessments"
    )
    assert sums == [(1200.0, 120)]


async def test_a_device_that_pays_for_many_accounts_is_reviewed(assess: AssessPayments, tenant: UUID) -> None:
    context = PaymentContext(device_id="device-1", ip="203.0.113.7")
    answers = await assess(tenant, [request(source_account_id=UUID(int=10 + n), context=context) for n in range(7)])
    assert [answer.decision for answer in answers] == [Decision.APPROVE] * 5 + [Decision.REVIEW] * 2
    assert answers[-1].reasons == ["device_shared"]


async def test_velocity_is_kept_apart_by_tenant(counters: VelocityCounters, stores: Stores, tenant: UUID) -> None:
    other = await stores.new_tenant()
    await counters.observe(tenant, [request() for _ in range(3)])
    seen = await counters.observe(other, [request()])
    assert seen is not None
    assert seen.of_payments[0].source.count_1m == 1


async def test_windows_forget_what_is_older_than_they_are_long(valkey: RedisCluster, tenant: UUID) -> None:
    start = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    counters = VelocityCounters(valkey, FraudSettings(velocity_timeout_seconds=2.0), now_seconds=start.timestamp)
    moments = [start + timedelta(seconds=seconds) for seconds in (0, 30, 90, 4_000, 30 * 3_600)]
    seen = [await counters.observe(tenant, [request(created_at=moment)]) for moment in moments]
    sources = [velocities.of_payments[0].source for velocities in seen if velocities is not None]
    counts = [(source.count_1m, source.count_1h, source.count_24h) for source in sources]
    assert counts == [(1, 1, 1), (2, 2, 2), (2, 3, 3), (1, 1, 4), (1, 1, 1)]


async def test_a_payment_older_than_the_horizon_looks_without_counting(
    counters: VelocityCounters, tenant: UUID
) -> None:
    old = request(created_at=datetime.now(UTC) - timedelta(minutes=10))
    for _ in range(2):
        seen = await counters.observe(tenant, [old])
        assert seen is not None
        assert seen.of_payments[0].source.count_1h == 1


async def test_a_dry_run_counts_nothing_and_stores_nothing(
    assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    for _ in range(3):
        (answer,) = await assess(tenant, [request(1_500_000, dry_run=True)])
        assert answer.decision is Decision.REVIEW
        assert (answer.assessment_id, answer.case_id) == (None, None)
    (real,) = await assess(tenant, [request()])
    assert await stores.as_superuser(tenant, "SELECT count(*) FROM fraud.assessments") == [(1,)]
    assert await stores.as_superuser(tenant, f"SELECT feature_values::jsonb->{COUNT_24H} FROM fraud.assessments") == [
        (1,)
    ]
    assert await stores.as_superuser(tenant, "SELECT count(*) FROM fraud.cases") == [(0,)]
    assert real.assessment_id is not None


async def test_without_counters_the_answer_is_degraded_and_quick(stores: Stores, tenant: UUID) -> None:
    nobody = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", free_port())], socket_timeout=0.2)
    assess = AssessPayments(stores.databases("fraud"), VelocityCounters(nobody, FraudSettings()), ActiveRulesets())
    (small,) = await assess(tenant, [request()])
    (large,) = await assess(tenant, [request(1_500_000)])
    (huge,) = await assess(tenant, [request(15_000_000)])
    assert (small.decision, small.reasons, small.degraded) == (Decision.APPROVE, ["velocity_unavailable"], True)
    assert (large.decision, large.reasons) == (Decision.REVIEW, ["high_amount", "velocity_unavailable"])
    assert (huge.decision, huge.reasons[0]) == (Decision.DECLINE, "outside_policy")
    await nobody.aclose()


async def test_the_circuit_does_not_ask_again_until_its_time_is_over(valkey: RedisCluster, tenant: UUID) -> None:
    class Frozen:
        asked = 0

        def pipeline(self, transaction: bool) -> "Frozen":
            return self

        def execute_command(self, *_: Any) -> None:
            """Queued and never answered."""

        async def execute(self) -> None:
            self.asked += 1
            raise TimeoutError

    frozen: Any = Frozen()
    counters = VelocityCounters(frozen, FraudSettings(velocity_circuit_seconds=60))
    for _ in range(5):
        assert await counters.observe(tenant, [request()]) is None
    assert frozen.asked == 1


async def test_the_counters_are_connected_to_beside_the_requests_until_they_answer(tenant: UUID) -> None:
    class Away:
        """Answers the third ping, and no pipeline."""

        pings = 0
        answered = asyncio.Event()

        async def ping(self, *, target_nodes: str) -> None:
            self.pings += 1
            if self.pings < 3:
                raise RedisConnectionError(f"no {target_nodes}")
            self.answered.set()

        def pipeline(self, transaction: bool) -> None:
            raise RedisConnectionError

    away: Any = Away()
    counters = VelocityCounters(away, FraudSettings(velocity_circuit_seconds=0.01))
    connecting = asyncio.create_task(counters.stay_connected())
    try:
        await asyncio.wait_for(away.answered.wait(), 10)
        away.answered.clear()
        assert away.pings == 3, "once they have answered they are left alone"
        assert await counters.observe(tenant, [request()]) is None
        await asyncio.wait_for(away.answered.wait(), 10)
        assert away.pings == 4, "what did not answer is connected to again"
    finally:
        connecting.cancel()


async def test_stored_assessments_cannot_be_changed(assess: AssessPayments, stores: Stores, tenant: UUID) -> None:
    await assess(tenant, [request()])
    for statement in ("UPDATE fraud.assessments SET score = 1", "DELETE FROM fraud.assessments"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            await stores.as_superuser(tenant, statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with stores.databases("fraud").transaction(tenant) as tx:
                await tx.execute(statement)  # type: ignore[arg-type]


async def test_a_model_s_score_is_kept_and_decides_only_when_it_is_active(
    stores: Stores, counters: VelocityCounters, tenant: UUID
) -> None:
    class AlwaysSure:
        name = "sure/1+abc"

        def score(self, features: Sequence[float]) -> float:
            assert len(features) == len(FEATURE_NAMES)
            return 0.9

    wanted = msgspec.structs.replace(
        DEFAULT_RULESET,
        rules=(Rule(code="model", description="", action=RuleAction.REVIEW, score=80, expression="model_score > 0.5"),),
    )
    databases = stores.databases("fraud")
    await replace_rules(databases, tenant, wanted, based_on_version=None, note="", actor="test")
    for active, decision in ((False, Decision.APPROVE), (True, Decision.REVIEW)):
        assess = AssessPayments(databases, counters, ActiveRulesets(), model=AlwaysSure(), model_is_active=active)
        (answer,) = await assess(tenant, [request()])
        assert answer.decision is decision
        stored = await read_assessment(databases, tenant, answer.payment_id)
        assert stored.shadow == {"model": "sure/1+abc", "model_score": 0.9}
