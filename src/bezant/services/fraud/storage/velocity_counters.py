"""Velocity counters in a Valkey or Redis cluster: one pipelined round trip for a group of payments.

Keys hold pseudonyms (see `entity_digest`) and live under a hash tag per tenant and partition of its entities, so
that one script call serves all entities of a partition, and a large tenant spreads over shards.
"""

import asyncio
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Final, NamedTuple
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
    Observed,
    PaymentVelocity,
    amount_major,
    entity_digest,
)
from bezant.services.fraud.metrics import VELOCITY_AVAILABLE
from bezant.services.fraud.settings import FraudSettings

_log = logging.getLogger(__name__)
_SCRIPT: Final = resources.files(__package__).joinpath("velocity.lua").read_text()
_SCRIPT_SHA: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(tuple[int, list[EntityVelocity]])
UNREACHABLE: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What the client raises when the counters do not answer."""
_SOURCE, _DESTINATION, _PAIR, _DEVICE, _IP = (kind.value for kind in EntityKind.__members__.values())


class Velocities(NamedTuple):
    """What the counters say about a group."""

    of_payments: list[PaymentVelocity]
    """In the order of the payments, later ones seeing earlier ones."""
    forgotten: frozenset[int]
    """Partitions whose history is not known to be whole: they were lost, or were never filled."""


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
        self._unconnected = asyncio.Event()
        self._unconnected.set()

    async def stay_connected(self) -> None:
        """Connect, and again whenever the counters did not answer, beside the requests. Returns never.

        A payment waits for the counters for some milliseconds only, and a first connection to a cluster may take
        longer: it would be given up and begun anew with each payment, and never be there.
        """
        while True:
            await self._unconnected.wait()
            self._unconnected.clear()
            try:
                await self._client.ping(target_nodes=RedisCluster.PRIMARIES)
            except UNREACHABLE:
                self._unconnected.set()
                await asyncio.sleep(self._settings.velocity_circuit_seconds)

    async def observe(self, tenant_id: UUID, requests: Sequence[AssessmentRequest]) -> Velocities | None:
        """Count the payments (dry runs only look) and return the velocity of each.

        Returns None when the counters do not answer in time, at once while the circuit is open.
        """
        if self._closed_until and (self._probing or time.monotonic() < self._closed_until):
            return None
        self._probing = bool(self._closed_until)
        try:
            oldest_counted_ms = (self._now_seconds() - self._settings.counting_horizon_seconds) * 1000
            observed = [observation(tenant_id, request, oldest_counted_ms) for request in requests]
            async with asyncio.timeout(self._settings.velocity_timeout_seconds):
                velocities = await self.count(tenant_id, observed)
        except UNREACHABLE as error:
            self._closed_until = time.monotonic() + self._settings.velocity_circuit_seconds
            self._unconnected.set()
            VELOCITY_AVAILABLE.set(0)
            _log.warning("velocity counters are unreachable: %s", type(error).__name__)
            return None
        else:
            self._closed_until = 0.0
            VELOCITY_AVAILABLE.set(1)
            return velocities
        finally:
            self._probing = False

    async def count(
        self, tenant_id: UUID, payments: Sequence[Observed], *, partitions: frozenset[int] | None = None
    ) -> Velocities:
        """Count payments for their entities, or for those in some partitions only, whatever the circuit says.

        Raises what the client raises when the counters do not answer.
        """
        places: dict[int, list[tuple[int, str]]] = defaultdict(list)
        packed: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        first_of: dict[bytes, int] = {}
        modulus = self._settings.velocity_partitions
        for number, (payment_id, source, destination, device, ip, at, amount, counts, several, first) in enumerate(
            payments
        ):
            earlier = first_of.setdefault(payment_id, number)
            if earlier != number:
                continue
            # Text everywhere: the counters' MessagePack knows no bytes.
            first_ms = at if first is None else first
            rest = (payment_id.decode("latin-1"), at, amount, counts, several, first_ms)
            payer, payee = source.hex(), destination.hex()
            partition = source[0] % modulus
            packed[partition].append((_SOURCE + payer, payee, _PAIR + payer + payee, *rest))
            places[partition] += ((number, _SOURCE), (number, _PAIR))
            partition = destination[0] % modulus
            packed[partition].append((_DESTINATION + payee, payer, False, *rest))
            places[partition].append((number, _DESTINATION))
            if device is not None:
                partition = device[0] % modulus
                packed[partition].append((_DEVICE + device.hex(), payer, False, *rest))
                places[partition].append((number, _DEVICE))
            if ip is not None:
                partition = ip[0] % modulus
                packed[partition].append((_IP + ip.hex(), payer, False, *rest))
                places[partition].append((number, _IP))
        asked = [partition for partition in packed if partitions is None or partition in partitions]
        calls = [(self._tag(tenant_id, partition), _encoder.encode(packed[partition])) for partition in asked]
        found: list[dict[str, EntityVelocity]] = [{} for _ in payments]
        forgotten = set()
        for partition, answer in zip(asked, await self._call(calls), strict=True):
            whole, velocities = _decoder.decode(answer)
            if not whole:
                forgotten.add(partition)
            for (number, kind), velocity in zip(places[partition], velocities, strict=True):
                found[number][kind] = velocity
        if len(first_of) < len(payments):
            # A payment that is asked about twice in one group is counted once, and seen alike.
            found = [found[first_of[payment.payment_id]] for payment in payments]
        return Velocities([_payment_velocity(entities) for entities in found], frozenset(forgotten))

    async def mark_whole(self, tenant_id: UUID, partitions: frozenset[int]) -> None:
        """Say that the history of these partitions has been counted."""
        pipeline = self._client.pipeline(transaction=False)
        for partition in partitions:
            pipeline.set(self._tag(tenant_id, partition) + "m", int(self._now_seconds()))
        await pipeline.execute()

    async def claim_recount(self, tenant_id: UUID) -> bool:
        """Return whether this process is the one that may count the tenant's history anew now."""
        seconds = self._settings.recount_claim_seconds
        return bool(await self._client.set(self._tag(tenant_id, 0) + "recount", 1, nx=True, ex=seconds))

    async def renew_recount(self, tenant_id: UUID) -> None:
        """Say that the recount goes on, so that nobody else begins one."""
        await self._client.expire(self._tag(tenant_id, 0) + "recount", self._settings.recount_claim_seconds)

    async def end_recount(self, tenant_id: UUID) -> None:
        """Let another recount begin."""
        await self._client.delete(self._tag(tenant_id, 0) + "recount")

    async def forget(self, tenant_id: UUID) -> None:
        """Remove every counter of a tenant. It looks through all keys of its shards: an administrator's act."""
        for partition in self.all_partitions:
            tag = self._tag(tenant_id, partition)
            node = self._client.get_node_from_key(tag)
            found = [key async for key in self._client.scan_iter(match=f"{tag}*", count=1_000, target_nodes=node)]
            for key in found:
                await self._client.unlink(key)

    @property
    def all_partitions(self) -> frozenset[int]:
        """Every partition of a tenant."""
        return frozenset(range(self._settings.velocity_partitions))

    def _tag(self, tenant_id: UUID, partition: int) -> str:
        return f"{{fraud2:{tenant_id.hex}:{partition}}}:"

    async def _call(self, calls: Sequence[tuple[str, bytes]]) -> list[bytes]:
        try:
            return await self._pipelined("EVALSHA", _SCRIPT_SHA, calls)
        except NoScriptError:
            # A fresh or newly promoted node. Sending the text to all is safe: counting twice does nothing.
            return await self._pipelined("EVAL", _SCRIPT, calls)

    async def _pipelined(self, command: str, script: str, calls: Sequence[tuple[str, bytes]]) -> list[bytes]:
        constants = (
            self._settings.counting_horizon_seconds,
            self._settings.partner_memory_days * 86_400,
            self._settings.partner_limit,
            *(window.bucket_ms for window in WINDOWS),
        )
        pipeline = self._client.pipeline(transaction=False)
        for tag, observed in calls:
            pipeline.execute_command(command, script, 1, tag, observed, *constants)
        answers: list[bytes] = await pipeline.execute()
        return answers


def _payment_velocity(entities: dict[str, EntityVelocity]) -> PaymentVelocity:
    return PaymentVelocity(
        source=entities.get(_SOURCE, NOTHING_SEEN),
        destination=entities.get(_DESTINATION, NOTHING_SEEN),
        pair=entities.get(_PAIR, NOTHING_SEEN),
        device=entities.get(_DEVICE, NOTHING_SEEN),
        ip=entities.get(_IP, NOTHING_SEEN),
    )


def observation(tenant_id: UUID, request: AssessmentRequest, oldest_counted_ms: float) -> Observed:
    """Return how the counters see a payment."""
    at_ms = int(request.created_at.timestamp() * 1000)
    context = request.context
    return Observed(
        payment_id=request.payment_id.bytes,
        source=entity_digest(tenant_id, request.source_account_id.bytes),
        destination=entity_digest(tenant_id, request.destination_account_id.bytes),
        device=entity_digest(tenant_id, context.device_id.encode()) if context.device_id else None,
        ip=entity_digest(tenant_id, context.ip.encode()) if context.ip else None,
        at_ms=at_ms,
        amount_major=amount_major(request.amount_minor, request.currency),
        counts=not request.dry_run and at_ms >= oldest_counted_ms,
    )
