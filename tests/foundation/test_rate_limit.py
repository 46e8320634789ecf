"""Rate limits on a real Valkey: one bucket for all replicas, and no limit that outlives its Valkey."""

import asyncio
import time
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from redis.asyncio.cluster import ClusterNode, RedisCluster

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import RateLimited
from bezant.foundation.rate_limit import RateLimiter

from ..stores.fixtures import free_port


@pytest.fixture(autouse=True)
def a_busy_machine_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bezant.foundation.rate_limit._VALKEY_SECONDS", 5.0)


async def _admitted(limiters: list[RateLimiter], tenant: UUID, rate: int, attempts: int) -> tuple[int, float]:
    """Return how many of the attempts, spread over replicas, were let through, and what came back meanwhile."""
    count, began = 0, time.monotonic()
    for number in range(attempts):
        try:
            await limiters[number % len(limiters)].admit(tenant, rate)
        except RateLimited:
            continue
        count += 1
    return count, (time.monotonic() - began) * rate + 1


async def _elapse(valkey: RedisCluster, tenant: UUID, seconds: float) -> None:
    """Let the bucket believe that so much time has gone by."""
    key = f"rate:{{{tenant}}}"
    at = float(await valkey.hget(key, "at"))  # type: ignore[misc]
    await valkey.hset(key, "at", str(at - seconds))  # type: ignore[misc]


async def test_a_burst_of_one_second_passes_and_no_more(valkey: RedisCluster) -> None:
    tenant = new_id()
    admitted, refilled = await _admitted([RateLimiter(valkey, "payment")], tenant, 5, 60)
    assert 5 <= admitted <= 5 + refilled
    with pytest.raises(RateLimited) as refused:
        for _ in range(100):
            await RateLimiter(valkey, "payment").admit(tenant, 5)
    assert refused.value.status == 429
    assert refused.value.retry_after_seconds == 1
    assert "5 requests a second" in refused.value.detail


async def test_replicas_share_one_limit(valkey: RedisCluster) -> None:
    tenant = new_id()
    limiters = [RateLimiter(valkey, "payment") for _ in range(4)]
    admitted, refilled = await _admitted(limiters, tenant, 20, 200)
    assert 20 <= admitted <= 20 + refilled


async def test_tokens_come_back_at_the_rate_and_never_more_than_a_burst(valkey: RedisCluster) -> None:
    tenant, limiter = new_id(), RateLimiter(valkey, "payment")
    await _admitted([limiter], tenant, 4, 40)
    for seconds, tokens in ((0.5, 2), (3600, 4)):
        await _elapse(valkey, tenant, seconds)
        admitted, refilled = await _admitted([limiter], tenant, 4, 12)
        assert tokens <= admitted <= tokens + 1 + refilled


async def test_the_wait_is_told_in_whole_seconds(valkey: RedisCluster) -> None:
    tenant, limiter = new_id(), RateLimiter(valkey, "payment")
    await limiter.admit(tenant, 1)
    with pytest.raises(RateLimited) as refused:
        await _until_refused(limiter, tenant)
    assert refused.value.retry_after_seconds == 1


async def _until_refused(limiter: RateLimiter, tenant: UUID) -> None:
    for _ in range(100):
        await limiter.admit(tenant, 1)


async def test_tenants_have_buckets_of_their_own(valkey: RedisCluster) -> None:
    busy, quiet, limiter = new_id(), new_id(), RateLimiter(valkey, "payment")
    await _admitted([limiter], busy, 3, 30)
    await limiter.admit(quiet, 3)


async def test_concurrent_requests_of_one_tenant_are_counted_each(valkey: RedisCluster) -> None:
    tenant, limiter, began = new_id(), RateLimiter(valkey, "payment"), time.monotonic()
    results = await asyncio.gather(*(limiter.admit(tenant, 10) for _ in range(100)), return_exceptions=True)
    assert 10 <= results.count(None) <= 11 + (time.monotonic() - began) * 10
    assert all(isinstance(result, RateLimited) for result in results if result is not None)


def _unchecked() -> float:
    return REGISTRY.get_sample_value("bezant_rate_limit_unchecked_total", {"service": "lonely"}) or 0.0


async def test_without_valkey_requests_pass_and_are_counted() -> None:
    away = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", free_port())], socket_connect_timeout=0.2)
    limiter, before = RateLimiter(away, "lonely"), _unchecked()
    for _ in range(20):
        await limiter.admit(new_id(), 1)
    assert _unchecked() - before == 20


async def test_valkey_is_asked_again_after_a_pause(valkey: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter, tenant = RateLimiter(valkey, "lonely"), new_id()
    with monkeypatch.context() as broken:
        asked = 0

        async def fail(*_: object) -> None:
            nonlocal asked
            asked += 1
            raise TimeoutError

        broken.setattr(valkey, "eval", fail)
        for _ in range(10):
            await limiter.admit(tenant, 1)
        assert asked == 1, "a Valkey that does not answer costs one request a second, not every one"
    limiter._valkey_back_at = 1e-9
    with pytest.raises(RateLimited):
        await _until_refused(limiter, tenant)
