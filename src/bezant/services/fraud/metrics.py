"""Prometheus metrics of the fraud service."""

from prometheus_client import Counter, Gauge

ASSESSMENTS = Counter("bezant_fraud_assessments_total", "Payments judged", ["tenant", "decision", "degraded"])
VELOCITY_FAILURES = Counter("bezant_fraud_velocity_failures_total", "Groups judged without velocity counters")
VELOCITY_AVAILABLE = Gauge("bezant_fraud_velocity_available", "1 while the velocity counters answer")
