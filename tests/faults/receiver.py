"""A tenant's own system: receives webhooks, verifies them, and keeps what it got."""

from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from bezant.client import WebhookNotGenuine, verify_webhook


@dataclass(frozen=True, slots=True)
class Message:
    """One message, however often it was delivered."""

    id: str
    sequence: int
    event_id: str
    type: str
    subject: str


@dataclass(slots=True)
class Inbox:
    """What one tenant's endpoint got."""

    secret: str
    messages: dict[str, Message] = field(default_factory=dict)
    forged: int = 0

    def missing(self) -> list[int]:
        """Return the sequence numbers that are missing below the highest that arrived."""
        seen = {message.sequence for message in self.messages.values()}
        return sorted(set(range(1, max(seen, default=0) + 1)) - seen)


class WebhookReceiver:
    """One HTTP server on loopback for the endpoints of all tenants, told apart by path."""

    def __init__(self) -> None:
        self.inboxes: dict[str, Inbox] = {}
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = web.Application()
        app.router.add_post("/{slug}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        inbox = self.inboxes.get(request.match_info["slug"])
        if inbox is None:
            return web.Response(status=503)
        body = await request.read()
        try:
            message_id = verify_webhook(inbox.secret, request.headers, body)
        except WebhookNotGenuine:
            inbox.forged += 1
            return web.Response(status=400)
        document = msgspec.json.decode(body)
        inbox.messages[message_id] = Message(
            message_id,
            int(request.headers["bezant-sequence"]),
            document["event_id"],
            document["type"],
            document["subject"],
        )
        return web.Response(status=204)
