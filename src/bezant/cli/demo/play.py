"""Play one tenant's part of the scenario through the API, as its product would."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bezant.cli.demo.scenario import ActionRow, PaymentRow, Phase, TenantScenario
from bezant.client import ApiProblem, BezantClient

_CONCURRENT = 32
_WORTH_RETRYING = frozenset({429, 503})
_SETTLED = frozenset({"captured", "authorized", "requires_review", "declined", "failed", "voided", "expired",
                      "partially_refunded", "refunded"})  # fmt: skip
Progress = Callable[[str, int], None]
"""Is told the name of the phase and how many requests were answered."""


@dataclass
class Played:
    """What came of a tenant's part."""

    tenant_id: str
    slug: str
    onboarding: dict[str, Any]
    accounts: dict[str, str] = field(default_factory=dict)
    payments: dict[str, str] = field(default_factory=dict)
    """Payment ids by reference."""
    differing_repetitions: int = 0
    repeated: int = 0
    seconds: float = 0.0
    requests: int = 0


async def onboard(admin: BezantClient, tenant: TenantScenario, keep_key: Callable[[str, str], None]) -> dict[str, Any]:
    """Register the tenant, wait until it is active, and return it with its onboarding."""
    answer = await admin.post(
        "/v1/tenants",
        {"name": tenant.name, "slug": tenant.slug, "default_currency": tenant.default_currency},
        key=f"demo-{tenant.slug}",
    )
    if answer["api_key"] is not None:
        keep_key(tenant.slug, answer["api_key"])
    while True:
        onboarding: dict[str, Any] = await admin.get(answer["onboarding"])
        if onboarding["status"] == "succeeded":
            return {"id": answer["id"], "onboarding": onboarding}
        if onboarding["status"] in ("failed", "compensating"):
            raise ApiProblem(500, {"code": "onboarding_failed", "detail": str(onboarding["error"])})
        await asyncio.sleep(0.02)


class Player:
    """Plays the phases of one tenant."""

    def __init__(self, client: BezantClient, tenant: TenantScenario, played: Played, progress: Progress) -> None:
        self._client = client
        self._tenant = tenant
        self._played = played
        self._progress = progress
        self._gate = asyncio.Semaphore(_CONCURRENT)

    async def play(self) -> Played:
        """Open the accounts and play every phase."""
        began = time.perf_counter()
        await self._block_devices()
        await asyncio.gather(*(self._limited("accounts", self._open(row.ref)) for row in self._tenant.accounts))
        for phase in self._tenant.phases:
            if phase.batch_size:
                await self._batches(phase)
            else:
                await asyncio.gather(
                    *(self._limited(phase.name, self._pay(row)) for row in phase.payments),
                    *(self._limited(phase.name, self._act(row)) for row in phase.actions),
                )
        self._played.seconds = time.perf_counter() - began
        return self._played

    async def _limited(self, phase: str, work: Awaitable[int]) -> None:
        async with self._gate:
            requests = await work
        self._played.requests += requests
        self._progress(phase, requests)

    async def _block_devices(self) -> None:
        if not self._tenant.blocked_devices:
            return
        rules = await self._client.get("/v1/fraud/rules")
        lists = rules["block_lists"]
        if set(self._tenant.blocked_devices) <= set(lists["device_ids"]):
            return
        await self._client.put(
            "/v1/fraud/rules", {"block_lists": {**lists, "device_ids": self._tenant.blocked_devices}}
        )

    async def _open(self, ref: str) -> int:
        row = next(account for account in self._tenant.accounts if account.ref == ref)
        body = {"name": row.name, "currency": row.currency, "type": row.type, "metadata": {"ref": row.ref}}
        if row.daily_limit_minor is not None:
            body["daily_limit_minor"] = row.daily_limit_minor  # type: ignore[assignment]
        account = await self._client.post("/v1/accounts", body, key=f"account-{row.ref}")
        self._played.accounts[row.ref] = account["id"]
        return 1

    def _body(self, row: PaymentRow) -> dict[str, Any]:
        accounts = self._played.accounts
        return {
            "source_account_id": accounts[row.source],
            "destination_account_id": accounts[row.destination],
            "amount": {"amount_minor": row.amount_minor, "currency": row.currency},
            "capture": row.capture,
            "splits": [{"account_id": accounts[ref], "amount_minor": amount} for ref, amount in row.splits],
            "reference": row.reference,
            "context": row.context,
        }

    async def _pay(self, row: PaymentRow) -> int:
        body = self._body(row)
        # A client that is not sure whether its request arrived sends it again with the same key.
        answers = await asyncio.gather(*(self._client.post("/v1/payments", body, key=row.ref) for _ in range(row.sent)))
        self._played.repeated += row.sent - 1
        self._played.differing_repetitions += len({answer["id"] for answer in answers}) - 1
        self._played.payments[row.ref] = answers[0]["id"]
        for answer in answers:
            if answer["status"] == "processing":
                await self._settled(answer["id"])
        return row.sent

    async def _batches(self, phase: Phase) -> None:
        async def send(rows: list[PaymentRow]) -> int:
            waiting, unsettled = {row.ref: row for row in rows}, list[str]()
            while waiting:
                sent = list(waiting.values())
                body = {"payments": [{**self._body(row), "idempotency_key": row.ref} for row in sent]}
                answer = await self._client.post("/v1/payments/batch", body)
                for row, result in zip(sent, answer["results"], strict=True):
                    if result["payment"] is not None:
                        self._played.payments[row.ref] = result["payment"]["id"]
                        if result["payment"]["status"] == "processing":
                            unsettled.append(result["payment"]["id"])
                        del waiting[row.ref]
                    elif result["status"] not in _WORTH_RETRYING:
                        raise ApiProblem(result["status"], result["problem"])
            for payment_id in unsettled:
                await self._settled(payment_id)
            return len(rows)

        size = phase.batch_size
        parts = [phase.payments[start : start + size] for start in range(0, len(phase.payments), size)]
        await asyncio.gather(*(self._limited(phase.name, send(part)) for part in parts))

    async def _act(self, row: ActionRow) -> int:
        payment_id = self._played.payments[row.payment]
        if row.do in ("approve", "decline"):
            await self._decide(payment_id, row.do)
            return 1
        body = {} if row.amount_minor is None else {"amount_minor": row.amount_minor}
        await self._client.post(f"/v1/payments/{payment_id}/{row.do}", body, key=row.ref)
        return 1

    async def _decide(self, payment_id: str, decision: str) -> None:
        """Decide the payment's review case and wait until the decision has been carried out."""
        payment = await self._client.get(f"/v1/payments/{payment_id}")
        if payment["status"] == "requires_review":
            case_id = await self._case_of(payment_id)
            try:
                await self._client.post(
                    f"/v1/fraud/cases/{case_id}/decision", {"decision": decision, "note": "decided by the demo"}
                )
            except ApiProblem as problem:
                # Decided by an earlier run of the demo that did not see the end of it.
                if problem.status != 409:
                    raise
        while payment["status"] == "requires_review":
            # Carried out by the payment service when the event reaches it: there is nothing to wait on but the API.
            await asyncio.sleep(0.05)
            payment = await self._client.get(f"/v1/payments/{payment_id}")

    async def _case_of(self, payment_id: str) -> str:
        async for case in self._client.pages("/v1/fraud/cases"):
            if case["payment_id"] == payment_id:
                return str(case["id"])
        raise LookupError(f"no review case for payment {payment_id}")

    async def _settled(self, payment_id: str) -> None:
        while (await self._client.get(f"/v1/payments/{payment_id}"))["status"] not in _SETTLED:
            await asyncio.sleep(0.05)


async def outcomes(client: BezantClient) -> Counter[str]:
    """Return how many payments the tenant has by status."""
    counted: Counter[str] = Counter()
    async for payment in client.pages("/v1/payments"):
        counted[payment["status"]] += 1
    return counted
