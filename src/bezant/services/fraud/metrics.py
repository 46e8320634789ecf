"""Prometheus metrics of the fraud service."""

from prometheus_client import Counter, Gauge

ASSESSMENTS = Counter("bezant_fraud_assessments_total", "Payments judged", ["tenant", "decision", "degraded"])
CASES_DECIDED = Counter("bezant_fraud_cases_decided_total", "Cases settled by a person", ["tenant", "decision"])
VELOCITY_AVAILABLE = Gauge("bezant_fraud_velocity_available", "1 while the velocity counters answer")
