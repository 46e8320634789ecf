"""What a fault test stands on: the platform, clients that keep journals, and tenants with accounts and a webhook."""

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bezant.client import ApiProblem, BezantClient

from .fleet import Fleet, eventually
from .journal import Document, Journal, JournallingClient
from .judge import Judge
from .receiver import Inbox, WebhookReceiver
from .traffic import FLOWS, Traffic

# A test's customers are paid far more often than people are; bursts are not what is tested here.
_RULES = {"thresholds": {"burst_count_1m": 1_000_000, "burst_count_1h": 1_000_000}}


async def answered(call: Awaitable[Any]) -> Any:
    """Return what was answered, None when nothing was: nobody there, cut off, or a part of the platform away."""
    try:
        return await call
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    except ApiProblem as problem:
        if problem.status < 500:
            raise
        return None


@dataclass(slots=True)
class Stage:
    """The fixture of the fault tests."""

    fleet: Fleet
    client: JournallingClient
    admin: BezantClient
    receiver: WebhookReceiver
    api_keys: set[str] = field(default_factory=set)
    """Every key that was ever handed out to the tests."""
    _names: "itertools.count[int]" = field(default_factory=itertools.count)
    _run: str = field(default_factory=lambda: uuid.uuid4().hex[:6])

    @property
    def judge(self) -> Judge:
        return Judge(self.fleet, self.client, self.receiver.inboxes)

    def traffic(
        self, *journals: Journal, workers: int = 3, pause_seconds: float = 0.03, flows: Mapping[str, int] = FLOWS
    ) -> Traffic:
        return Traffic(self.client, list(journals), workers=workers, pause_seconds=pause_seconds, flows=flows)

    def slug(self) -> str:
        """Return a name that no tenant has."""
        return f"t-{self._run}-{next(self._names)}"

    async def register(self, slug: str, *, key: str | None = None) -> Document:
        """Ask for a tenant, as often as it takes, under one key. Returns the answer of 202."""

        async def attempt() -> Document | None:
            body = {"name": slug, "slug": slug, "rate_limit_per_second": 100_000}
            answer: Document | None = await answered(
                self.admin.post("/v1/tenants", body, key=key or f"register-{slug}")
            )
            return answer

        registered: Document = await eventually(attempt, f"{slug} is registered")
        return registered

    async def tenant_is(self, tenant_id: str, *statuses: str, within_seconds: float = 60) -> str:
        """Return the tenant's status once it is one of these."""

        async def reached() -> str | None:
            tenant = await answered(self.admin.get(f"/v1/tenants/{tenant_id}"))
            return str(tenant["status"]) if tenant and tenant["status"] in statuses else None

        what = f"tenant {tenant_id} is {' or '.join(statuses)}"
        return str(await eventually(reached, what, within_seconds=within_seconds))

    async def operation_is(self, tenant_id: str, kind: str, *statuses: str, within_seconds: float = 60) -> Document:
        """Return the tenant's latest operation of a kind once its status is one of these."""

        async def reached() -> Document | None:
            operation = await answered(self.admin.get(f"/v1/tenants/{tenant_id}/operations/{kind}"))
            return operation if operation and operation["status"] in statuses else None

        what = f"the {kind} of {tenant_id} is {' or '.join(statuses)}"
        found: Document = await eventually(reached, what, within_seconds=within_seconds)
        return found

    async def journal_of(self, answer: Document) -> Journal:
        """Return an empty journal for a registered tenant, with a fresh key should the first one have been lost."""
        api_key = answer["api_key"]
        if api_key is None:
            scopes = ["accounts:read", "accounts:write", "payments:read", "payments:write", "transfers:read",
                      "fraud:read", "fraud:write", "webhooks:read", "webhooks:write", "audit:read"]  # fmt: skip
            body = {"tenant_id": answer["id"], "name": "after a lost answer", "scopes": scopes}
            api_key = (await self.admin.post("/v1/api-keys", body))["api_key"]
        self.api_keys.add(api_key)
        return Journal(answer["id"], answer["slug"], api_key)

    async def furnish(self, journal: Journal, *, customers: int = 4) -> Journal:
        """Open accounts and subscribe to webhooks."""
        async with BezantClient(self.fleet.platform.url, journal.api_key) as api:
            await api.put("/v1/fraud/rules", _RULES)
            endpoint = await api.post(
                "/v1/webhook-endpoints",
                {"url": f"{self.receiver.url}/{journal.slug}", "event_filters": ["payment.*"]},
            )
        self.receiver.inboxes[journal.slug] = Inbox(endpoint["secret"])
        journal.bank = await self.client.open_account(journal, "bank", "settlement")
        journal.fees = await self.client.open_account(journal, "fees", "fee")
        journal.customers = list(
            await asyncio.gather(
                *(self.client.open_account(journal, f"customer {n}", "customer") for n in range(customers))
            )
        )
        return journal

    async def tenant(self, *, customers: int = 4) -> Journal:
        """Onboard a tenant and furnish it."""
        answer = await self.register(self.slug())
        await self.tenant_is(answer["id"], "active")
        return await self.furnish(await self.journal_of(answer), customers=customers)
