"""Prometheus metrics of the notification service."""

from prometheus_client import Counter, Gauge, Histogram

ENQUEUED = Counter("bezant_webhook_messages_total", "Messages enqueued", ["tenant"])
ATTEMPTS = Counter("bezant_webhook_attempts_total", "Attempts at delivery", ["tenant", "outcome"])
ATTEMPT_SECONDS = Histogram(
    "bezant_webhook_attempt_duration_seconds",
    "Time until a receiver answered",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
IN_FLIGHT = Gauge("bezant_webhook_requests_in_flight", "Requests to receivers in flight")
