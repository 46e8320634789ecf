"""Prometheus metrics of the payment service."""

from prometheus_client import Counter

PAYMENTS = Counter(
    "bezant_payments_total", "Payments by what the request that made them came to, processing included", ["status"]
)
"""Each payment counts once, in the process that took its request. Without the tenant: a canary is judged by all."""

UNSCORED_PAYMENTS = Counter(
    "bezant_payments_unscored_total",
    "Payments that the tenant's policy decided, by what was wrong with fraud",
    ["reason"],
)
LEFT_PROCESSING = Counter(
    "bezant_payments_left_processing_total", "Payments whose score did not come in time, and that were not decided",
    ["reason"],
)  # fmt: skip
