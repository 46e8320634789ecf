"""A client that keeps a journal: what it sent, under which key, and what was acknowledged.

A request without an answer is sent again with the same key until it has one, as a careful product would. What the
platform must have done follows from the journal alone; `judge` compares it with what the platform then says.
"""

import asyncio
import itertools
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
import msgspec

Kind = Literal["account", "payment", "capture", "void", "refund"]
Document = dict[str, Any]
CURRENCY = "USD"
PATIENCE_SECONDS = 90.0
_PAUSE_SECONDS = 0.1
# 202 and these codes say that the request is still being worked on: the end of it is not known yet.
_UNDER_WAY = frozenset({"request_in_progress"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an acknowledgement, whatever it says."""

    status: int
    body: bytes

    @property
    def document(self) -> Document:
        found: Document = msgspec.json.decode(self.body)
        return found

    @property
    def is_final(self) -> bool:
        """Whether the request has ended: done, or refused with nothing recorded."""
        if self.status == 202:
            return False
        return not (self.status == 409 and self.document["code"] in _UNDER_WAY)


@dataclass(slots=True)
class Entry:
    """One request from the first attempt to its final answer."""

    kind: Kind
    path: str
    body: Document
    key: str
    payment: "Entry | None" = None
    """The payment that a capture, void or refund is about."""
    attempts: int = 0
    answers: list[Answer] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    """Attempts that came to nothing, as the client saw them."""
    began: float = 0.0
    seconds: float = 0.0

    @property
    def final(self) -> Answer | None:
        return self.answers[-1] if self.answers and self.answers[-1].is_final else None

    @property
    def done(self) -> Document:
        """The document of the final answer. Raises `AssertionError` when the request was refused or has none."""
        assert self.final is not None, f"{self.path} was not answered: {self.unanswered[-3:]}"
        assert self.final.status in (200, 201), f"{self.path} {self.body}: {self.final.body.decode()}"
        return self.final.document

    @property
    def was_interrupted(self) -> bool:
        return self.attempts > 1


@dataclass(slots=True)
class Journal:
    """Everything that was asked of one tenant."""

    tenant_id: str
    slug: str
    api_key: str
    entries: list[Entry] = field(default_factory=list)
    bank: str = ""
    fees: str = ""
    customers: list[str] = field(default_factory=list)

    def of(self, *kinds: Kind) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind in kinds]

    @property
    def answered(self) -> int:
        return sum(entry.final is not None for entry in self.entries)


class JournallingClient:
    """Sends requests and writes them down first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys = itertools.count()
        self._run = uuid.uuid4().hex[:8]
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=20), timeout=aiohttp.ClientTimeout(total=20)
        )

    async def close(self) -> None:
        await self._session.close()

    def key(self) -> str:
        return f"journal-{self._run}-{next(self._keys)}"

    async def open_account(self, journal: Journal, name: str, kind: str, **fields: Any) -> str:
        """Open an account and return its id."""
        body = {"name": name, "currency": CURRENCY, "type": kind, **fields}
        entry = await self._ask(journal, Entry("account", "/v1/accounts", body, self.key()))
        return str(entry.done["id"])

    async def pay(
        self,
        journal: Journal,
        source: str,
        destination: str,
        amount_minor: int,
        *,
        capture: str = "automatic",
        fee_minor: int = 0,
    ) -> Entry:
        """Make one payment; its reference is its key, so that it can be told from any other."""
        key = self.key()
        body: Document = {
            "source_account_id": source,
            "destination_account_id": destination,
            "amount": {"amount_minor": amount_minor, "currency": CURRENCY},
            "capture": capture,
            "reference": key,
        }
        if fee_minor:
            body["splits"] = [{"account_id": journal.fees, "amount_minor": fee_minor}]
        return await self._ask(journal, Entry("payment", "/v1/payments", body, key))

    async def act(self, journal: Journal, payment: Entry, kind: Kind, amount_minor: int | None = None) -> Entry:
        """Capture, void or refund a payment that was made."""
        body = {} if amount_minor is None else {"amount_minor": amount_minor}
        path = f"/v1/payments/{payment.done['id']}/{kind}"
        return await self._ask(journal, Entry(kind, path, body, self.key(), payment))

    async def _ask(self, journal: Journal, entry: Entry) -> Entry:
        """Write the request down and send it until it has ended. Raises `TimeoutError` after the client's patience."""
        journal.entries.append(entry)
        entry.began = time.monotonic()
        while entry.final is None:
            waited = time.monotonic() - entry.began
            if waited > PATIENCE_SECONDS:
                raise TimeoutError(f"{entry.path} has no final answer after {waited:.0f} s: {entry.unanswered[-3:]}")
            entry.attempts += 1
            answer = await self.attempt(journal, entry)
            if answer is not None:
                entry.answers.append(answer)
            if entry.final is None:
                await asyncio.sleep(_PAUSE_SECONDS)
        entry.seconds = time.monotonic() - entry.began
        return entry

    async def attempt(self, journal: Journal, entry: Entry) -> Answer | None:
        """Send the request once. Returns None, and notes why, when that says nothing about what became of it."""
        headers = {
            "authorization": f"Bearer {journal.api_key}",
            "content-type": "application/json",
            "idempotency-key": entry.key,
        }
        try:
            async with self._session.post(
                self._url + entry.path, data=msgspec.json.encode(entry.body), headers=headers
            ) as response:
                answer = Answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            entry.unanswered.append(f"{type(error).__name__}: {error}")
            return None
        if answer.status == 429 or answer.status >= 500:
            entry.unanswered.append(f"{answer.status} {answer.body.decode(errors='replace')}")
            return None
        return answer
