"""Per-tenant rate limits, shared by all replicas through Valkey.

A token bucket (RFC 2697's idea, one bucket) lives in Valkey; each process takes tokens in small chunks, so that
a busy tenant costs a round trip per chunk and not per request. When Valkey does not answer, requests are let
through and counted: a limit protects the platform and must not become its weakest part.
"""

import asyncio
import logging
import math
import time
from uuid import UUID

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from bezant.contracts.problems import RateLimited
from bezant.foundation.telemetry.metrics import RATE_LIMIT_UNCHECKED, RATE_LIMITED

_log = logging.getLogger(__name__)

# KEYS[1] the bucket; ARGV: tokens a second, burst, tokens wanted. Returns tokens granted and milliseconds until one.
_TAKE = """
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1]) or burst
local at = tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local granted = math.min(wanted, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', tokens - granted, 'at', now)
redis.call('PEXPIRE', KEYS[1], 60000)
local wait = 0
if granted == 0 then wait = math.ceil((1 - tokens) / rate * 1000) end
return {granted, wait}
"""
_CHUNK_SECONDS = 0.02
_KEEP_SECONDS = 1.0
_VALKEY_SECONDS = 0.1
_CIRCUIT_SECONDS = 1.0


class _Bucket:
    __slots__ = ("lock", "taken_at", "tokens")

    def __init__(self) -> None:
        self.tokens = 0
        self.taken_at = 0.0
        self.lock = asyncio.Lock()


class RateLimiter:
    """Admits requests of a tenant up to its rate; the burst is one second's worth."""

    def __init__(self, valkey: RedisCluster, service: str) -> None:
        self._valkey = valkey
        self._service = service
        self._buckets: dict[UUID, _Bucket] = {}
        self._valkey_back_at = 0.0

    async def admit(self, tenant_id: UUID, per_second: int) -> None:
        """Take one token of the tenant. Raises `RateLimited` with the time to wait."""
        bucket = self._buckets.get(tenant_id)
        if bucket is None:
            bucket = self._buckets[tenant_id] = _Bucket()
        if self._spend(bucket):
            return
        async with bucket.lock:
            if self._spend(bucket):
                return
            wait_ms = await self._take(bucket, tenant_id, per_second)
            if wait_ms is None or self._spend(bucket):
                return
        RATE_LIMITED.labels(service=self._service, tenant=str(tenant_id)).inc()
        raise RateLimited(
            f"this tenant may send {per_second} requests a second; wait and send the request again",
            retry_after_seconds=max(1, math.ceil(wait_ms / 1000)),
        )

    def _spend(self, bucket: _Bucket) -> bool:
        if bucket.tokens <= 0 or time.monotonic() - bucket.taken_at > _KEEP_SECONDS:
            return False
        bucket.tokens -= 1
        return True

    async def _take(self, bucket: _Bucket, tenant_id: UUID, per_second: int) -> int | None:
        """Fetch a chunk. Returns milliseconds to wait, or None when Valkey does not answer."""
        now = time.monotonic()
        if now >= self._valkey_back_at:
            wanted = max(1, int(per_second * _CHUNK_SECONDS))
            try:
                async with asyncio.timeout(_VALKEY_SECONDS):
                    granted, wait_ms = await self._valkey.eval(
                        _TAKE, 1, f"rate:{{{tenant_id}}}", str(per_second), str(per_second), str(wanted)
                    )
            except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
                if self._valkey_back_at == 0.0:
                    _log.warning("rate limits are not checked: Valkey does not answer (%s)", type(error).__name__)
                self._valkey_back_at = now + _CIRCUIT_SECONDS
            else:
                self._valkey_back_at = 0.0
                bucket.tokens = int(granted)
                bucket.taken_at = time.monotonic()
                return int(wait_ms)
        RATE_LIMIT_UNCHECKED.labels(service=self._service).inc()
        return None
