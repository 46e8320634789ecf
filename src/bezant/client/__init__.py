"""Bezant's Python client: asynchronous, repeats safely, raises typed problems.

async with BezantClient("http://127.0.0.1:8080", api_key) as bezant:
    payment = await bezant.post("/v1/payments", {...})
"""

from bezant.client.client import ApiProblem, BezantClient
from bezant.client.webhooks import WebhookNotGenuine, verify_webhook

__all__ = ["ApiProblem", "BezantClient", "WebhookNotGenuine", "verify_webhook"]
