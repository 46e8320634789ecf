"""Prometheus metrics of the payment service."""

from prometheus_client import Counter

PAYMENTS = Counter(
    "bezant_payments_total", "Payments by what the request that made them came to, processing included", ["status"]
)
"""Each payment counts once, in the process that took its request. Without the tenant: a canary is judged by all."""
