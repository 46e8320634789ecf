"""A webhook receiver on loopback for the demo's tenants: verifies signatures and watches for gaps."""

import asyncio
import time
from types import TracebackType
from typing import Self

from aiohttp import web

from bezant.client import BezantClient, WebhookNotGenuine, verify_webhook

_DESCRIPTION = "receiver of bezant demo"


class Receiver:
    """Counts what arrives by tenant. Deliveries may overtake each other; sequences must have no gap in the end."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}
        self._sequences: dict[str, set[int]] = {}
        self._forged: dict[str, int] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{slug}", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def subscribe(self, client: BezantClient, slug: str) -> None:
        """Have the tenant's payment events sent here; those of an earlier demo are sent again."""
        url = f"http://127.0.0.1:{self._port}/{slug}"
        self._sequences[slug], self._forged[slug] = set(), 0
        known = [item async for item in client.pages("/v1/webhook-endpoints", limit=50)]
        mine = next((item for item in known if item["description"] == _DESCRIPTION), None)
        if mine is None:
            made = await client.post(
                "/v1/webhook-endpoints", {"url": url, "description": _DESCRIPTION, "event_filters": ["payment.*"]}
            )
            self._secrets[slug] = made["secret"]
            return
        path = f"/v1/webhook-endpoints/{mine['id']}"
        self._secrets[slug] = (await client.post(f"{path}/rotate-secret", {"overlap_seconds": 0}))["secret"]
        await client.patch(path, {"url": url, "status": "enabled"})
        await client.post(f"{path}/replay", {"since_sequence": 1})

    async def caught_up(self, slug: str, *, at_least: int, timeout_seconds: float) -> int:
        """Wait until that many messages have arrived without a gap, or the time is up; return how many have."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            seen = self._sequences[slug]
            if len(seen) >= at_least and len(seen) == max(seen, default=0):
                break
            await asyncio.sleep(0.05)
        return len(self._sequences[slug])

    def failures(self, slug: str) -> list[str]:
        """Return what is wrong with what arrived, in sentences."""
        seen = self._sequences[slug]
        missing = sorted(set(range(1, max(seen, default=0) + 1)) - seen)
        found = []
        if missing:
            found.append(f"{len(missing)} webhooks are missing, the first has the sequence number {missing[0]}")
        if self._forged[slug]:
            found.append(f"{self._forged[slug]} webhooks had no genuine signature")
        return found

    async def _receive(self, request: web.Request) -> web.Response:
        slug = request.match_info["slug"]
        body = await request.read()
        try:
            verify_webhook(self._secrets[slug], request.headers, body)
        except (WebhookNotGenuine, KeyError):
            self._forged[slug] = self._forged.get(slug, 0) + 1
            return web.Response(status=400)
        self._sequences[slug].add(int(request.headers["bezant-sequence"]))
        return web.Response(status=204)
