"""Prometheus metrics of the fraud service."""

from prometheus_client import Counter, Gauge, Histogram

ASSESSMENTS = Counter("bezant_fraud_assessments_total", "Payments judged", ["tenant", "decision", "degraded"])
CASES_DECIDED = Counter("bezant_fraud_cases_decided_total", "Cases settled by a person", ["tenant", "decision"])
VELOCITY_AVAILABLE = Gauge("bezant_fraud_velocity_available", "1 while the velocity counters answer")
DECISION_SECONDS = Histogram(
    "bezant_fraud_decision_seconds",
    "Time to judge a group of payments, which each payment in it waited for",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
CASE_SECONDS = Histogram(
    "bezant_fraud_case_seconds",
    "Time from a case's opening to its decision",
    ["decision"],
    buckets=(60, 300, 900, 3_600, 4 * 3_600, 86_400, 3 * 86_400, 7 * 86_400),
)
VELOCITY_RECOUNTED = Counter("bezant_fraud_velocity_recounted_total", "Payments counted anew after a loss", ["tenant"])
