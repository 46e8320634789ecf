"""A webhook receiver on loopback: verifies what comes, spoils it if asked, and knows whether anything is missing."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from bezant.cli.webhook_chaos import Chaos, Fault, Plan
from bezant.client import WebhookNotGenuine, verify_webhook

_FORWARDED = ("content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature", "bezant-sequence")
_STATUS = {Fault.REFUSED: 503, Fault.BUSY: 429, Fault.LOST_ANSWER: 500}


@dataclass
class Account:
    """What came, and what was done to it."""

    requests: int = 0
    forged: int = 0
    handed_on: int = 0
    overtaken: int = 0
    """Messages handed on after one with a higher number."""
    held: int = 0
    doubled: int = 0
    not_taken: int = 0
    """Requests that the tenant's own handler did not take."""
    faults: Counter[Fault] = field(default_factory=Counter)
    sequences: set[int] = field(default_factory=set)
    """Numbers of messages that were taken."""

    def missing(self, last_sequence: int) -> list[int]:
        """Return the numbers up to `last_sequence` that were never taken."""
        return sorted(set(range(1, last_sequence + 1)) - self.sequences)


class Sandbox:
    """Receives at `url`, and hands each message on to the tenant's own handler if there is one.

    A message is taken when the handler answers 2xx (or there is none), and only then answered 200.
    """

    def __init__(self, *, port: int, forward: str | None, chaos: Chaos | None) -> None:
        self.account = Account()
        self.secret = ""
        self.progress = asyncio.Event()
        self._port = port
        self._forward = forward
        self._chaos = chaos
        self._highest = 0
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Where it receives."""
        return f"http://127.0.0.1:{self._port}/"

    def calm_down(self) -> None:
        """Spoil nothing from now on."""
        self._chaos = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_post("/", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=8))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        self.account.requests += 1
        body = await request.read()
        try:
            message_id = verify_webhook(self.secret, request.headers, body)
            sequence = int(request.headers["bezant-sequence"])
        except (WebhookNotGenuine, KeyError, ValueError):
            self.account.forged += 1
            return web.Response(status=400, text="not signed by this endpoint's secret")
        plan = self._chaos.plan(message_id) if self._chaos is not None else Plan()
        if plan.hold_seconds:
            self.account.held += 1
            await asyncio.sleep(plan.hold_seconds)
        if plan.fault is not None:
            self.account.faults[plan.fault] += 1
        if plan.fault is None or plan.fault is Fault.LOST_ANSWER:
            headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
            if not await self._hand_on(headers, body, sequence, plan.copies):
                self.account.not_taken += 1
                return web.Response(status=502, text="the handler behind the sandbox did not take it")
        return self._answer(request, plan.fault)

    def _answer(self, request: web.Request, fault: Fault | None) -> web.Response:
        if fault is Fault.CUT and request.transport is not None:
            request.transport.abort()
        if fault is Fault.BUSY:
            return web.Response(status=429, headers={"retry-after": "1"})
        return web.Response(status=200 if fault is None else _STATUS.get(fault, 500))

    async def _hand_on(self, headers: dict[str, str], body: bytes, sequence: int, copies: int) -> bool:
        """Hand a message on, and return whether it was taken."""
        account = self.account
        account.doubled += copies > 1
        for _ in range(copies):
            if not await self._handled(headers, body):
                return False
            account.handed_on += 1
        if sequence not in account.sequences and sequence < self._highest:
            account.overtaken += 1
        self._highest = max(self._highest, sequence)
        account.sequences.add(sequence)
        self.progress.set()
        return True

    async def _handled(self, headers: dict[str, str], body: bytes) -> bool:
        if self._forward is None or self._session is None:
            return True
        try:
            async with self._session.post(self._forward, data=body, headers=headers) as response:
                return 200 <= response.status < 300
        except (aiohttp.ClientError, TimeoutError):
            return False
