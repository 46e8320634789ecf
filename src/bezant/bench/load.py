"""Payments of many tenants at once, in a closed loop (so many clients) or an open one (so many a second).

In an open loop each request has a moment at which it is due, and its latency counts from there, whether or not a
connection was free: what a slow answer does to those behind it is not left out (Gil Tene, "How NOT to Measure
Latency", 2013: coordinated omission).
"""

import asyncio
import itertools
import random
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from bezant.bench.wire import Connection

_UNSCORED: Final = b'"scored":false'
_STATUS: Final = b'"status":"'
_TIMEOUT_SECONDS: Final = 30.0


@dataclass(slots=True)
class LoadedTenant:
    """A tenant under load: its key, and the accounts that pay one another."""

    id: str
    api_key: str
    bank: str
    customers: list[str]
    acknowledged: int = 0
    """How many of its payments were answered 201."""


@dataclass(slots=True)
class Result:
    """What became of the requests of one load."""

    seconds: float = 0.0
    sent: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    """Of the requests that were answered 201, in the order of their answers."""
    refused_ms: list[float] = field(default_factory=list)
    """Of the requests that were answered 429 or 503."""
    statuses: Counter[str] = field(default_factory=Counter)
    """By HTTP status, and by what broke when there was no answer."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """By the payment's status."""
    unscored: int = 0
    by_second: Counter[int] = field(default_factory=Counter)
    """How many payments were answered 201 in each second of the load."""

    @property
    def payments_per_second(self) -> float:
        """Payments answered 201, by the second."""
        return self.statuses["201"] / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Return that percentile of the latencies of what was answered 201, in milliseconds."""
        return percentile(self.latencies_ms, share)

    def refused_percentile(self, share: float) -> float:
        """Return that percentile of the latencies of refusals, in milliseconds."""
        return percentile(self.refused_ms, share)

    def summary(self) -> dict[str, object]:
        """Return the figures for a report."""
        return {
            "seconds": round(self.seconds, 2),
            "payments_per_second": round(self.payments_per_second, 1),
            "p50_ms": round(self.percentile(0.5), 1),
            "p99_ms": round(self.percentile(0.99), 1),
            "max_ms": round(max(self.latencies_ms, default=0.0), 1),
            "statuses": dict(self.statuses),
            "outcomes": dict(self.outcomes),
            "unscored": self.unscored,
            "refused": len(self.refused_ms),
            "refused_p99_ms": round(self.refused_percentile(0.99), 1),
        }


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile by the nearest rank; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


TenantChoice = Callable[[random.Random], LoadedTenant]


def uniformly(tenants: Sequence[LoadedTenant]) -> TenantChoice:
    """Every tenant as often as any other."""
    return lambda chooser: chooser.choice(tenants)


def by_zipf(tenants: Sequence[LoadedTenant], s: float = 1.0) -> TenantChoice:
    """The tenant of rank k in proportion to 1 / k^s."""
    weights = list(itertools.accumulate(1 / rank**s for rank in range(1, len(tenants) + 1)))
    return lambda chooser: chooser.choices(tenants, cum_weights=weights)[0]


class PaymentLoad:
    """Sends payments to the gateway of a platform."""

    def __init__(self, url: str, choose: TenantChoice, *, hot: bool = False, seed: int = 1) -> None:
        """`hot` lets each tenant's settlement account pay; otherwise its customers pay one another."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._choose = choose
        self._hot = hot
        self._chooser = random.Random(seed)  # noqa: S311  choices of a load, no secret
        self._run = uuid.uuid4().hex[:12]
        self._numbers = itertools.count()
        self._idle: deque[Connection] = deque()
        self._heads: dict[str, bytes] = {}

    async def closed(self, *, clients: int, seconds: float) -> Result:
        """Let each client send its next payment when the last was answered, for that long."""
        result = Result()
        began = time.perf_counter()
        until = began + seconds

        async def client() -> None:
            while (now := time.perf_counter()) < until:
                await self._one(result, due=now, began=began)

        await asyncio.gather(*(client() for _ in range(clients)))
        result.seconds = time.perf_counter() - began
        return result

    async def open(self, *, rate: float, seconds: float, most_under_way: int = 4000) -> Result:
        """Send that many payments a second, evenly spread, whatever becomes of those before."""
        result = Result()
        under_way: set[asyncio.Task[None]] = set()
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            ahead = due - time.perf_counter()
            if ahead > 0.001:
                await asyncio.sleep(ahead)
            elif number % 16 == 0:
                await asyncio.sleep(0)
            if len(under_way) >= most_under_way:
                result.statuses["not sent: too many under way"] += 1
                continue
            task = asyncio.create_task(self._one(result, due=due, began=began))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        # counted over the time in which it was offered: what is answered late is late, not slow in coming
        result.seconds = seconds
        if under_way:
            await asyncio.wait(under_way, timeout=_TIMEOUT_SECONDS)
        return result

    async def _one(self, result: Result, *, due: float, began: float) -> None:
        tenant = self._choose(self._chooser)
        raw = self._payment(tenant)
        result.sent += 1
        connection = None
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                connection = await self._connection()
                status, body = await connection.request(raw)
        except (OSError, TimeoutError) as error:
            result.statuses[type(error).__name__] += 1
            if connection is not None:
                connection.close()
            return
        now = time.perf_counter()
        self._idle.append(connection)
        result.statuses[str(status)] += 1
        if status == 201:
            tenant.acknowledged += 1
            result.latencies_ms.append((now - due) * 1000)
            result.by_second[int(now - began)] += 1
        elif status in (429, 503):
            result.refused_ms.append((now - due) * 1000)
        if status in (201, 202):
            at = body.find(_STATUS) + len(_STATUS)
            result.outcomes[body[at : body.index(b'"', at)].decode()] += 1
            if _UNSCORED in body:
                result.unscored += 1

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return await Connection.open(self._host, self._port)

    def _payment(self, tenant: LoadedTenant) -> bytes:
        choose = self._chooser
        if self._hot:
            source, destination = tenant.bank, choose.choice(tenant.customers)
        else:
            source, destination = choose.sample(tenant.customers, 2)
        body = (
            f'{{"source_account_id":"{source}","destination_account_id":"{destination}",'
            f'"amount":{{"amount_minor":{choose.randint(1, 50)},"currency":"USD"}}}}'
        ).encode()
        head = self._heads.get(tenant.id)
        if head is None:
            head = self._heads[tenant.id] = (
                f"POST /v1/payments HTTP/1.1\r\nhost: {self._host}:{self._port}\r\n"
                f"authorization: Bearer {tenant.api_key}\r\ncontent-type: application/json\r\n"
            ).encode()
        key = f"idempotency-key: {self._run}-{next(self._numbers)}\r\ncontent-length: {len(body)}\r\n\r\n"
        return head + key.encode() + body

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()
