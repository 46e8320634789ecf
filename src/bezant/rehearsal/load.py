"""Steady load for a rehearsal: payments and reads at a fixed rate, each sent once, and what became of each.

The loop is open: requests leave on time whatever became of those before, as customers' do. Nothing is sent again
while it runs, so that every failure is seen; afterwards `settle` asks for the end of each payment whose answer never
came, under its key, as a careful product would.
"""

import asyncio
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import aiohttp
import msgspec

from bezant.client import ApiProblem, BezantClient
from bezant.rehearsal.customers import Customer
from bezant.rehearsal.ledger import Ledger
from bezant.rehearsal.questions import Question
from bezant.rehearsal.report.document import Series

_MOST_UNDER_WAY: Final = 512
_TIMEOUT_SECONDS: Final = 20.0
_ASKED_AT_ONCE: Final = 16
_SETTLED_WITHIN_SECONDS: Final = 60.0
_AGREED_WITHIN_SECONDS: Final = 30.0
_READS: Final = 0.2
_READ_AGAIN: Final = 200
"""Of how many of a tenant's newest payments one is read."""
_QUESTIONS: Final = 0.25
"""The share of the requests that are questions to a service of which no payment needs an answer at once."""
_OVERDRAWN: Final = 0.02
"""The share of payments that a customer without money tries: a platform on a usual day declines some."""
_MONEY_MOVED: Final = frozenset({"captured", "authorized", "requires_review"})
_RECORDED: Final = frozenset({200, 201, 202})
SAYS_NOTHING: Final = (ApiProblem, aiohttp.ClientError, OSError)
"""What a client raises when the platform does not answer, or refuses, after all repetitions."""


Kind = Literal["payment", "overdraft", "read", "question"]
"""What was sent; an overdraft is a payment by a customer without money, which is declined on a good day too."""


class Outcome(NamedTuple):
    """What became of one request."""

    at_seconds: float
    """When it was sent, since the load began."""
    seconds: float
    kind: Kind
    status: int
    """The HTTP status; 0 when the connection broke, nothing came in time, or what came was no payment."""
    told: str
    """A payment's status, or what went wrong."""

    @property
    def is_failed(self) -> bool:
        """Whether the platform, not the payment, failed."""
        return self.status not in _RECORDED

    @property
    def is_success(self) -> bool:
        """Whether a payment's money moved or is held."""
        return self.told in _MONEY_MOVED


@dataclass(slots=True)
class _Sent:
    tenant: Customer
    key: str
    body: bytes


class Load:
    """The load on some tenants, from `start` to `stop`."""

    def __init__(
        self,
        url: str,
        tenants: list[Customer],
        *,
        requests_per_second: float,
        question: Question | None = None,
        seed: int = 1,
    ) -> None:
        """`question` is asked beside the payments and the reads of them."""
        self.outcomes: list[Outcome] = []
        self.began = 0.0
        self._url = url
        self._tenants = tenants
        self._question = question
        self.requests_per_second = requests_per_second
        """May be changed at any time."""
        self._chooser = random.Random(seed)  # noqa: S311  choices of a load, no secret
        self._acknowledged: dict[str, dict[str, str]] = {tenant.id: {} for tenant in tenants}
        self._newest = {tenant.id: deque[str](maxlen=_READ_AGAIN) for tenant in tenants}
        self._open: dict[str, _Sent] = {}
        self._untold: list[str] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin to send."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
        )
        self.began = time.monotonic()
        self._loop_task = asyncio.create_task(self._send_on_time(), name="load")

    async def stop(self) -> None:
        """Send nothing more, and return when every answer is there or its time is up."""
        self._stopped.set()
        try:
            if self._loop_task is not None:
                await self._loop_task
            await asyncio.gather(*self._under_way)
        finally:
            if self._session is not None:
                await self._session.close()

    async def more(self, requests: int) -> None:
        """Return when so many more requests have been answered. Raises what ended the load."""
        wanted = len(self.outcomes) + requests
        while len(self.outcomes) < wanted:
            if self._loop_task is not None and self._loop_task.done():
                self._loop_task.result()
                return
            await asyncio.sleep(0.05)

    def since(self, at_seconds: float) -> Iterable[Outcome]:
        """Return what was sent from that moment on."""
        return (outcome for outcome in self.outcomes if outcome.at_seconds >= at_seconds)

    def series(self, *, began: float) -> list[Series]:
        """Return what the load saw in each second, on the axis of a timeline that began at that monotonic moment."""
        offset = self.began - began

        def points(figure: Callable[[list[Outcome]], float]) -> list[tuple[float, float]]:
            return [(at + offset, value) for at, value in by_second(self.outcomes, figure)]

        return [
            Series("requests", "1/s", points(len)),
            Series("failed requests", "1/s", points(failed)),
            Series("p99 of all requests", "ms", points(p99_milliseconds)),
        ]

    def sent_a_second(self) -> float:
        """Return how many requests left in a second on average: fewer than asked for when too many were under way."""
        lasted = max((outcome.at_seconds for outcome in self.outcomes), default=0.0)
        return round(len(self.outcomes) / lasted, 1) if lasted else 0.0

    def seconds(self) -> float:
        """Return the seconds since the load began."""
        return time.monotonic() - self.began

    async def _send_on_time(self) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            due += 1 / self.requests_per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(self._under_way) >= _MOST_UNDER_WAY:
                # more would measure this process rather than the platform
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                due = time.monotonic()
            task = asyncio.create_task(self._one())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _one(self) -> None:
        tenant = self._chooser.choice(self._tenants)
        newest = self._newest[tenant.id]
        if self._question is not None and self._chooser.random() < _QUESTIONS:
            path = self._question.path.format(account=self._chooser.choice(tenant.accounts))
            await self._request("question", tenant, "GET", path, answered_by=self._question.answered_by)
            return
        if newest and self._chooser.random() < _READS:
            await self._request("read", tenant, "GET", f"/v1/payments/{self._chooser.choice(newest)}")
            return
        key = str(uuid.uuid4())
        kind: Kind = "overdraft" if self._chooser.random() < _OVERDRAWN else "payment"
        sent = _Sent(tenant, key, msgspec.json.encode(self._payment(tenant, key, kind)))
        self._open[key] = sent
        answer = await self._request(kind, tenant, "POST", "/v1/payments", sent)
        if answer is not None:
            del self._open[key]
            self._acknowledged[tenant.id][key] = answer["id"]
            newest.append(answer["id"])

    def _payment(self, tenant: Customer, reference: str, kind: Kind) -> dict[str, Any]:
        source, destination = tenant.bank, self._chooser.choice(tenant.accounts)
        amount_minor = self._chooser.randint(1, 5000)
        if kind == "overdraft":
            source, destination, amount_minor = destination, tenant.bank, 900_000_000
        return {
            "source_account_id": source,
            "destination_account_id": destination,
            "amount": {"amount_minor": amount_minor, "currency": "USD"},
            "reference": reference,
        }

    async def _request(
        self,
        kind: Kind,
        tenant: Customer,
        method: str,
        path: str,
        sent: _Sent | None = None,
        *,
        answered_by: str = "id",
    ) -> dict[str, Any] | None:
        """Send one request and keep what became of it. Returns what was recorded, None when the request failed."""
        assert self._session is not None
        headers = {"authorization": f"Bearer {tenant.api_key}", "content-type": "application/json"}
        if sent is not None:
            headers["idempotency-key"] = sent.key
        at = time.monotonic()
        document: dict[str, Any] | None = None
        try:
            async with self._session.request(
                method, self._url + path, headers=headers, data=sent.body if sent else None
            ) as response:
                status, raw = response.status, await response.read()
        except (aiohttp.ClientError, OSError) as error:
            status, told = 0, type(error).__name__
        else:
            answer = _document(raw)
            if status not in _RECORDED:
                told = str(answer.get("code"))
            elif answered_by in answer:
                told, document = str(answer.get("status")), answer
            else:  # whatever it says, it acknowledges nothing
                what = "an answer" if kind == "question" else "a payment"
                status, told = 0, f"{status} without {what}"
        self.outcomes.append(Outcome(at - self.began, time.monotonic() - at, kind, status, told))
        return document

    # -- afterwards ---------------------------------------------------------------------------------------------------

    async def settle(self) -> int:
        """Ask for the end of each payment without an answer, under its key; return how many there were."""
        without = list(self._open.values())
        at_once = asyncio.Semaphore(_ASKED_AT_ONCE)
        until = time.monotonic() + _SETTLED_WITHIN_SECONDS

        async def ask(sent: _Sent) -> None:
            async with at_once:
                try:
                    if time.monotonic() > until:
                        raise TimeoutError("not asked, the time for that was up")
                    async with BezantClient(self._url, sent.tenant.api_key) as client:
                        answer = await client.post("/v1/payments", msgspec.Raw(sent.body), key=sent.key)
                except SAYS_NOTHING as error:
                    self._untold.append(f"payment {sent.key}: {error or type(error).__name__}")
                else:
                    self._acknowledged[sent.tenant.id][sent.key] = answer["id"]

        await asyncio.gather(*map(ask, without))
        self._open.clear()
        return len(without)

    async def judge(self) -> Ledger:
        """Compare what was acknowledged with what the tenants' lists and the ledgers' own checks say."""
        found = Ledger(
            successful=sum(outcome.is_success for outcome in self.outcomes if outcome.kind == "payment"),
            untold=self._untold.copy(),
        )
        await asyncio.gather(*(self._judge(tenant, found) for tenant in self._tenants))
        return found

    async def _judge(self, tenant: Customer, found: Ledger) -> None:
        acknowledged = self._acknowledged[tenant.id]
        found.acknowledged += len(acknowledged)
        try:
            async with BezantClient(self._url, tenant.api_key) as client:
                listed, captured_minor, moved_minor = await _settled(client, tenant)
                check = await client.get("/v1/ledger/check")
        except SAYS_NOTHING as error:
            found.untold.append(f"list and ledger of {tenant.slug}: {error or type(error).__name__}")
            return
        found.checked += 1
        found.lost += [reference for reference, one in acknowledged.items() if one not in listed.get(reference, [])]
        found.doubled += [reference for reference, ids in listed.items() if len(ids) > 1]
        if not check["consistent"]:
            found.unbalanced.append(tenant.slug)
        if captured_minor != moved_minor:
            found.astray.append(f"{tenant.slug}: {captured_minor:,} captured, {moved_minor:,} moved")


async def _settled(client: BezantClient, tenant: Customer) -> tuple[dict[str, list[str]], int, int]:
    """Return the ids of the tenant's payments by reference, what they say was captured, and what the bank has paid.

    A payment that was interrupted is finished by another process a little later: both are asked for until they agree.
    """
    until = time.monotonic() + _AGREED_WITHIN_SECONDS
    while True:
        listed: dict[str, list[str]] = {}
        captured_minor = 0
        async for payment in client.pages("/v1/payments"):
            listed.setdefault(payment["reference"], []).append(payment["id"])
            if payment["source_account_id"] == tenant.bank:
                captured_minor += payment["captured"]["amount_minor"]
        balance = await client.get(f"/v1/accounts/{tenant.bank}/balance")
        moved_minor = -balance["posted"]["amount_minor"]
        if captured_minor == moved_minor or time.monotonic() > until:
            return listed, captured_minor, moved_minor
        await asyncio.sleep(0.5)


def _document(raw: bytes) -> dict[str, Any]:
    """Return an answer's object; an empty one for what is none, as a cut-off or foreign answer."""
    try:
        answer = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which this share of the values lies; 0.0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def failed(outcomes: list[Outcome]) -> float:
    """Return how many failed."""
    return sum(outcome.is_failed for outcome in outcomes)


def p99_milliseconds(outcomes: list[Outcome]) -> float:
    """Return the time within which 99 % were answered."""
    return percentile((outcome.seconds * 1000 for outcome in outcomes), 0.99)


def by_second(outcomes: Iterable[Outcome], figure: Callable[[list[Outcome]], float]) -> list[tuple[float, float]]:
    """Return a figure of the requests sent in each second, as points of a series."""
    seconds: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        seconds.setdefault(int(outcome.at_seconds), []).append(outcome)
    return [(float(second), figure(inside)) for second, inside in sorted(seconds.items())]
