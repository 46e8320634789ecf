"""The velocity counters on a real Valkey: every entity and window, and counting anew after a loss."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio.cluster import ClusterNode, RedisCluster

from bezant.contracts.identifiers import first_id_at, new_id
from bezant.contracts.internal.fraud import PaymentContext
from bezant.services.fraud.domain.features import FEATURE_NAMES, feature_values
from bezant.services.fraud.domain.problems import VelocityUnavailable
from bezant.services.fraud.domain.velocity import EntityVelocity, PaymentVelocity
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.operations.recount_velocity import VelocityHistory
from bezant.services.fraud.settings import FraudSettings
from bezant.services.fraud.storage.active_rulesets import ActiveRulesets
from bezant.services.fraud.storage.velocity_counters import VelocityCounters

from ..stores.fixtures import Stores, eventually, free_port
from .test_assessing import request

ANN, BOB, CAROL, SHOP, STALL = (UUID(int=100 + n) for n in range(5))
START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


async def observe(counters: VelocityCounters, tenant: UUID, *requests: Any) -> list[PaymentVelocity]:
    seen = await counters.observe(tenant, requests)
    assert seen is not None
    return seen.of_payments


def pay(source: UUID, destination: UUID, amount_minor: int = 1_000, **changes: Any) -> Any:
    return request(amount_minor, source_account_id=source, destination_account_id=destination, **changes)


async def test_every_entity_of_a_payment_is_counted_on_its_own(counters: VelocityCounters, tenant: UUID) -> None:
    context = PaymentContext(device_id="phone", ip="203.0.113.5")
    seen = await observe(
        counters,
        tenant,
        pay(ANN, SHOP, 1_000, context=context),
        pay(ANN, STALL, 3_000, context=context),
        pay(BOB, SHOP, 500, context=context),
        pay(ANN, SHOP, 2_000),
    )
    last, third = seen[3], seen[2]
    assert (last.source.count_1m, last.source.amount_7d, last.source.partners_24h) == (3, 60.0, 2)
    assert (last.source.earlier_count, last.source.earlier_amount, last.source.earlier_largest) == (2, 40.0, 30.0)
    assert (last.destination.count_1h, last.destination.amount_1h, last.destination.partners_1m) == (3, 35.0, 2)
    assert (last.pair.count_7d, last.pair.amount_24h, last.pair.earlier_count) == (2, 30.0, 1)
    assert last.device == EntityVelocity()
    assert (third.device.count_1m, third.device.partners_1m, third.ip.partners_7d) == (3, 2, 2)
    assert (third.pair.count_1m, third.pair.earlier_count) == (1, 0)


async def test_windows_end_where_they_say(valkey: RedisCluster, tenant: UUID) -> None:
    counters = VelocityCounters(valkey, FraudSettings(velocity_timeout_seconds=2.0), now_seconds=START.timestamp)
    days = (0, 0.5, 6.5, 8, 30)
    seen = [
        (await observe(counters, tenant, pay(ANN, SHOP, created_at=START + timedelta(days=day))))[0] for day in days
    ]
    assert [velocity.source.count_24h for velocity in seen] == [1, 2, 1, 1, 1]
    assert [velocity.source.count_7d for velocity in seen] == [1, 2, 3, 2, 1]
    assert [velocity.source.age_ms for velocity in seen] == [int(day * 86_400_000) for day in days]
    assert [velocity.pair.earlier_count for velocity in seen] == [0, 1, 2, 3, 4]


async def test_partners_are_counted_within_each_window(valkey: RedisCluster, tenant: UUID) -> None:
    counters = VelocityCounters(valkey, FraudSettings(velocity_timeout_seconds=2.0), now_seconds=START.timestamp)
    seen = [
        (await observe(counters, tenant, pay(source, SHOP, created_at=START + timedelta(seconds=seconds))))[0]
        for source, seconds in [(ANN, 0), (BOB, 10), (ANN, 20), (CAROL, 3_000), (ANN, 40_000), (BOB, 300_000)]
    ]
    counted = [
        (each.destination.partners_1m, each.destination.partners_1h, each.destination.partners_24h,
         each.destination.partners_7d)
        for each in seen
    ]  # fmt: skip
    assert counted == [(1, 1, 1, 1), (2, 2, 2, 2), (2, 2, 2, 2), (1, 3, 3, 3), (1, 1, 3, 3), (1, 1, 1, 3)]


async def test_a_look_sees_what_counting_would_and_leaves_nothing(counters: VelocityCounters, tenant: UUID) -> None:
    await observe(counters, tenant, pay(ANN, SHOP), pay(ANN, STALL))
    for _ in range(2):
        (look,) = await observe(counters, tenant, pay(ANN, CAROL, dry_run=True))
        assert (look.source.count_1h, look.source.partners_1h, look.pair.earlier_count) == (3, 3, 0)
    (real,) = await observe(counters, tenant, pay(ANN, CAROL))
    assert (real.source.count_1h, real.source.partners_1h) == (3, 3)


async def test_the_same_payment_is_counted_once_however_often_it_is_asked_about(
    counters: VelocityCounters, tenant: UUID
) -> None:
    context = PaymentContext(device_id="phone", ip="203.0.113.5")
    again = pay(ANN, SHOP, context=context)
    first = await observe(counters, tenant, again, again)
    later = await observe(counters, tenant, again)
    assert first[0].source == first[1].source == later[0].source
    assert later[0].device.count_1h == later[0].destination.count_1h == later[0].pair.count_1h == 1


async def test_memory_of_one_entity_is_bounded(valkey: RedisCluster, tenant: UUID) -> None:
    settings = FraudSettings(velocity_timeout_seconds=5.0, partner_limit=10, velocity_partitions=1)
    counters = VelocityCounters(valkey, settings, now_seconds=START.timestamp)
    for hour in range(60):
        moment = START + timedelta(hours=hour)
        await observe(counters, tenant, *(pay(UUID(int=hour * 10 + n), SHOP, created_at=moment) for n in range(10)))
    sizes = {}
    async for key in valkey.scan_iter(match=f"*{tenant.hex}*", count=1_000):
        kind = key.rsplit(b":", 1)[-1]
        if kind == b"p":
            sizes["partners"] = max(sizes.get("partners", 0), await valkey.zcard(key))
        elif kind == b"b":
            sizes["counters"] = max(sizes.get("counters", 0), await valkey.strlen(key))
    assert sizes["partners"] == 10
    # Four windows of at most thirteen buckets, three numbers each.
    assert sizes["counters"] < 4 * 13 * 3 * 9


def features(velocity: PaymentVelocity) -> dict[str, float]:
    """Without ages and smallest windows, which differ by when the same thing is asked."""
    named = dict(zip(FEATURE_NAMES, feature_values(10.0, velocity), strict=True))
    return {name: value for name, value in named.items() if "age" not in name and "_1m" not in name}


async def backdate(stores: Stores, tenant: UUID, age: timedelta) -> None:
    """Put one payment between strangers into the past, where the tenant's history then begins."""
    moment = datetime.now(UTC) - age
    await stores.as_superuser(
        tenant,
        "INSERT INTO fraud.assessments (assessment_id, payment_id, source_account_id, destination_account_id, "
        "amount_minor, currency, decision, score, reasons, ruleset_version, degraded, features, created_at) "
        "VALUES (%s, %s, %s, %s, 1000, 'USD', 'approve', 0, '[]', 1, false, '{}', %s)",
        UUID(int=first_id_at(moment).int | new_id().int & (1 << 76) - 1), new_id(), new_id(), new_id(), moment,
    )  # fmt: skip


async def test_counters_that_were_lost_are_filled_from_the_tenant_s_assessments(
    stores: Stores, valkey: RedisCluster, counters: VelocityCounters, history: VelocityHistory, tenant: UUID
) -> None:
    other = await stores.new_tenant()
    assess = AssessPayments(stores.databases("fraud"), counters, ActiveRulesets(), history=history)
    context = PaymentContext(device_id="phone", ip="203.0.113.5")
    for source, destination in [(ANN, SHOP), (BOB, SHOP), (ANN, STALL), (ANN, SHOP), (CAROL, STALL)] * 5:
        await assess(tenant, [pay(source, destination, context=context), pay(destination, BOB, 70)])
    await assess(other, [pay(ANN, SHOP)])
    probes = [pay(ANN, SHOP, dry_run=True, context=context), pay(BOB, STALL, dry_run=True, context=context)]
    before = [features(velocity) for velocity in await observe(counters, tenant, *probes)]
    assert before[0]["source_count_24h"] == 16
    await valkey.flushall(target_nodes=RedisCluster.PRIMARIES)
    lost = await observe(counters, tenant, *probes)
    assert lost[0].source.count_24h == 1

    # The next payment notices, and counts on while history is counted anew; nothing is lost or doubled by that.
    # The tenant began to pay a moment ago, so what is judged without counters is marked.
    await backdate(stores, tenant, timedelta(minutes=2))
    (answer,) = await assess(tenant, [pay(CAROL, SHOP, 100, context=PaymentContext())])
    assert (answer.degraded, answer.reasons) == (True, ["velocity_incomplete"])

    async def filled() -> bool:
        seen = await counters.observe(tenant, [pay(CAROL, SHOP, dry_run=True)])
        return seen is not None and not seen.forgotten

    await assess(tenant, [pay(source, SHOP, 1, context=context) for source in (ANN, STALL)])
    await eventually(filled)
    (answer,) = await assess(tenant, [pay(BOB, STALL, 1, dry_run=True)])
    assert (answer.degraded, answer.reasons) == (False, [])
    counted = await history.recount_now(tenant)
    assert (counted.payments, counted.older_payments) == (54, 0)
    after = [features(velocity) for velocity in await observe(counters, tenant, *probes)]
    assert after[1]["source_count_24h"] == before[1]["source_count_24h"]
    assert after[0]["source_count_24h"] == before[0]["source_count_24h"] + 1
    assert after[0]["destination_count_7d"] == before[0]["destination_count_7d"] + 3
    assert after[0]["device_accounts_24h"] == before[0]["device_accounts_24h"] + 1
    assert after[0]["pair_earlier_count"] == before[0]["pair_earlier_count"] + 1


async def test_counting_anew_gives_exactly_what_was_there(
    stores: Stores, counters: VelocityCounters, history: VelocityHistory, assess: AssessPayments, tenant: UUID
) -> None:
    context = PaymentContext(device_id="phone", ip="2001:db8::5")
    accounts = [UUID(int=200 + n) for n in range(7)]
    pairs = [(accounts[n % 7], accounts[(n * n + 1) % 7]) for n in range(200) if n % 7 != (n * n + 1) % 7]
    await assess(tenant, [pay(*pair, 100 + n, context=context) for n, pair in enumerate(pairs)])
    probes = [pay(*pair, dry_run=True, context=context) for pair in pairs[:40]]
    before = [features(velocity) for velocity in await observe(counters, tenant, *probes)]
    for _ in range(2):
        counted = await history.recount_now(tenant)
        assert counted.payments == len(pairs)
        after = [features(velocity) for velocity in await observe(counters, tenant, *probes)]
        assert after == [pytest.approx(each) for each in before]
    ages = await observe(counters, tenant, probes[0])
    assert ages[0].source.age_ms > 0


async def test_who_was_seen_months_ago_is_still_known_after_a_loss(
    stores: Stores, counters: VelocityCounters, history: VelocityHistory, tenant: UUID
) -> None:
    now = datetime.now(UTC)
    for days, count in [(100, 1), (40, 3), (20, 2), (2, 1)]:
        for _ in range(count):
            moment = now - timedelta(days=days)
            await stores.as_superuser(
                tenant,
                "INSERT INTO fraud.assessments (assessment_id, payment_id, source_account_id, destination_account_id, "
                "amount_minor, currency, decision, score, reasons, ruleset_version, degraded, features, created_at) "
                "VALUES (%s, %s, %s, %s, 1000, 'USD', 'approve', 0, '[]', 1, false, '{}', %s)",
                UUID(int=first_id_at(moment).int | new_id().int & (1 << 76) - 1), new_id(), ANN, SHOP, moment,
            )  # fmt: skip
    counted = await history.recount_now(tenant)
    # What happened a hundred days ago is further back than counters remember.
    assert (counted.payments, counted.older_payments) == (1, 5)
    (seen,) = await observe(counters, tenant, pay(ANN, SHOP, dry_run=True))
    assert (seen.pair.earlier_count, seen.pair.earlier_amount, seen.source.count_7d) == (6, 60.0, 2)
    assert timedelta(milliseconds=seen.source.age_ms) > timedelta(days=39)


async def test_a_process_that_died_while_counting_is_taken_over(
    stores: Stores, valkey: RedisCluster, tenant: UUID
) -> None:
    settings = FraudSettings(velocity_timeout_seconds=2.0, recount_claim_seconds=5)
    counters = VelocityCounters(valkey, settings)
    dead, alive = (VelocityHistory(stores.databases("fraud"), counters, settings) for _ in range(2))
    assess = AssessPayments(stores.databases("fraud"), counters, ActiveRulesets(), history=alive)
    assert await counters.claim_recount(tenant)
    assert not await counters.claim_recount(tenant)

    async def whole() -> bool:
        await assess(tenant, [pay(ANN, SHOP)])
        seen = await counters.observe(tenant, [pay(ANN, SHOP, dry_run=True)])
        return seen is not None and not seen.forgotten

    await eventually(whole, within_seconds=30)
    await dead.close()
    await alive.close()


async def test_a_recount_without_counters_says_so(stores: Stores, tenant: UUID) -> None:
    nobody = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", free_port())], socket_timeout=0.2)
    history = VelocityHistory(stores.databases("fraud"), VelocityCounters(nobody, FraudSettings()), FraudSettings())
    with pytest.raises(VelocityUnavailable):
        await history.recount_now(tenant)
    await nobody.aclose()
