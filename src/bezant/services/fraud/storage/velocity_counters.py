"""Velocity counters in a Valkey or Redis cluster: one pipelined round trip for a group of payments.

Keys hold no personal data (entities are hashed) and live under a hash tag per tenant and partition of its
entities, so that one script call serves all entities of a partition, and a large tenant spreads over shards.
"""

import asyncio
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Final
from uuid import UUID

import msgspec
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from bezant.contracts.internal.fraud import AssessmentRequest
from bezant.services.fraud.domain.velocity import (
    NOTHING_SEEN,
    WINDOWS,
    EntityKind,
    EntityVelocity,
    Observation,
    PaymentVelocity,
    amount_major,
)
from bezant.services.fraud.metrics import VELOCITY_AVAILABLE
from bezant.services.fraud.settings import FraudSettings

_log = logging.getLogger(__name__)
_SCRIPT: Final = resources.files(__package__).joinpath("velocity.lua").read_text()
_SCRIPT_SHA: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_Observed = tuple[str, str, str, int, float, bool]
"""Entity, payment id, partner, time in ms, amount in major units, whether it counts."""
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[EntityVelocity])
_UNREACHABLE: Final = (RedisError, RedisClusterException, OSError, TimeoutError)


class VelocityCounters:
    """The counters of every tenant. A circuit keeps an unreachable cluster from costing each payment a timeout."""

    def __init__(
        self, client: RedisCluster, settings: FraudSettings, *, now_seconds: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._settings = settings
        self._now_seconds = now_seconds
        # until they have failed to: a process that was asked nothing yet must not look as if they were away
        VELOCITY_AVAILABLE.set(1)
        self._closed_until = 0.0
        self._probing = False

    async def observe(self, tenant_id: UUID, requests: Sequence[AssessmentRequest]) -> list[PaymentVelocity] | None:
        """Count the payments (dry runs only look) and return the velocity of each, later ones seeing earlier ones.

        Returns None when the counters do not answer in time, at once while the circuit is open.
        """
        if self._closed_until and (self._probing or time.monotonic() < self._closed_until):
            return None
        self._probing = bool(self._closed_until)
        try:
            async with asyncio.timeout(self._settings.velocity_timeout_seconds):
                velocities = await self._observe(tenant_id, requests)
        except _UNREACHABLE as error:
            self._closed_until = time.monotonic() + self._settings.velocity_circuit_seconds
            VELOCITY_AVAILABLE.set(0)
            _log.warning("velocity counters are unreachable: %s", type(error).__name__)
            return None
        else:
            self._closed_until = 0.0
            VELOCITY_AVAILABLE.set(1)
            return velocities
        finally:
            self._probing = False

    async def _observe(self, tenant_id: UUID, requests: Sequence[AssessmentRequest]) -> list[PaymentVelocity]:
        oldest_counted_ms = (self._now_seconds() - self._settings.counting_horizon_seconds) * 1000
        prefix, partitions = f"{{fraud:{tenant_id.hex}:", self._settings.velocity_partitions
        places: dict[str, list[tuple[int, EntityKind]]] = defaultdict(list)
        observed: dict[str, list[_Observed]] = defaultdict(list)
        for number, request in enumerate(requests):
            for observation in observations(request, oldest_counted_ms):
                digest = hashlib.blake2b(observation.entity.encode(), digest_size=10).hexdigest()
                tag = f"{prefix}{int(digest[:4], 16) % partitions}}}:"
                places[tag].append((number, observation.kind))
                observed[tag].append(
                    (
                        observation.kind + digest,
                        observation.payment_id.hex,
                        observation.partner,
                        observation.at_ms,
                        observation.amount_major,
                        observation.counts,
                    )
                )
        calls = [(tag, _encoder.encode(packed)) for tag, packed in observed.items()]
        found: list[dict[EntityKind, EntityVelocity]] = [{} for _ in requests]
        for tag, answer in zip(observed, await self._call(calls), strict=True):
            for (number, kind), velocity in zip(places[tag], _decoder.decode(answer), strict=True):
                found[number][kind] = velocity
        return [
            PaymentVelocity(
                source=entities[EntityKind.SOURCE],
                device=entities.get(EntityKind.DEVICE, NOTHING_SEEN),
                ip=entities.get(EntityKind.IP, NOTHING_SEEN),
            )
            for entities in found
        ]

    async def _call(self, calls: Sequence[tuple[str, bytes]]) -> list[bytes]:
        try:
            return await self._pipelined("EVALSHA", _SCRIPT_SHA, calls)
        except NoScriptError:
            # A fresh or newly promoted node. Sending the text to all is safe: counting twice does nothing.
            return await self._pipelined("EVAL", _SCRIPT, calls)

    async def _pipelined(self, command: str, script: str, calls: Sequence[tuple[str, bytes]]) -> list[bytes]:
        constants = (
            2 * self._settings.counting_horizon_seconds,
            self._settings.partner_memory_days * 86_400,
            self._settings.partner_limit,
            *(window.bucket_ms for window in WINDOWS),
        )
        pipeline = self._client.pipeline(transaction=False)
        for tag, observed in calls:
            pipeline.execute_command(command, script, 1, tag, observed, *constants)
        answers: list[bytes] = await pipeline.execute()
        return answers


def observations(request: AssessmentRequest, oldest_counted_ms: float) -> list[Observation]:
    """Return how each entity of a payment sees it: the account by whom it pays, the others by who pays."""
    at_ms = int(request.created_at.timestamp() * 1000)
    counts = not request.dry_run and at_ms >= oldest_counted_ms
    amount = amount_major(request.amount_minor, request.currency)
    source, destination = str(request.source_account_id), str(request.destination_account_id)
    entities = [(EntityKind.SOURCE, source, destination)]
    if request.context.device_id:
        entities.append((EntityKind.DEVICE, request.context.device_id, source))
    if request.context.ip:
        entities.append((EntityKind.IP, request.context.ip, source))
    return [
        Observation(kind, entity, partner, request.payment_id, at_ms, amount, counts)
        for kind, entity, partner in entities
    ]
