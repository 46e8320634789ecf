"""Bezant's Python client: typed, repeats safely, raises typed problems; asynchronous and synchronous.

async with BezantClient("http://127.0.0.1:8080", api_key) as bezant:
    payment = await bezant.payments.create({...})
    async for account in bezant.accounts.iterate(status="open"):
        ...

with BezantSyncClient("http://127.0.0.1:8080", api_key) as bezant:
    payment = bezant.payments.create({...}, idempotency_key="order-1729")
"""

from bezant.client.asynchronous import BezantClient
from bezant.client.requests import ApiProblem
from bezant.client.synchronous import BezantSyncClient
from bezant.client.webhooks import WebhookKeyInvalid, WebhookNotGenuine, verify_webhook

__all__ = ["ApiProblem", "BezantClient", "BezantSyncClient", "WebhookKeyInvalid", "WebhookNotGenuine", "verify_webhook"]
