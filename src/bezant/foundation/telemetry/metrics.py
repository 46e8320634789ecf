"""Prometheus metrics that every service has. Durations are seconds; `tenant` is the tenant's id."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bezant.foundation.tenancy.databases import TenantDatabases

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter(
    "bezant_http_requests_total", "Requests answered", ["service", "route", "method", "status", "tenant"]
)
REQUEST_SECONDS = Histogram(
    "bezant_http_request_duration_seconds", "Time to answer a request", ["service", "route"], buckets=_LATENCY
)
IN_FLIGHT = Gauge("bezant_http_requests_in_flight", "Requests being worked on", ["service"])
INTERNAL_CALLS = Counter("bezant_internal_calls_total", "Calls to other services", ["audience", "operation", "outcome"])
INTERNAL_PARTS = Counter(
    "bezant_internal_parts_total", "Tenants' parts of internal calls, answered or failed", ["operation", "outcome"]
)
GROUP_SIZE = Histogram(
    "bezant_group_size", "Items gathered into one group", ["stage"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
ADMISSION_LIMIT = Gauge("bezant_admission_limit", "Units of work that may be in flight at once", ["service"])
ADMISSION_IN_FLIGHT = Gauge("bezant_admission_in_flight", "Units of work that are", ["service"])
ADMISSION_QUEUED = Gauge("bezant_admission_queued", "Units of work that wait to be admitted", ["service"])
ADMISSION_WAIT_SECONDS = Histogram(
    "bezant_admission_wait_seconds", "How long requests waited that were not admitted at once", ["service"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)  # fmt: skip
ADMISSION_REFUSED = Counter(
    "bezant_admission_refused_total", "Requests refused before anything was done", ["service", "reason"]
)
DEADLINE_DROPS = Counter(
    "bezant_deadline_drops_total", "Work dropped before it began, since nobody waited for it any more", ["place"]
)
RELAYED_EVENTS = Counter("bezant_relayed_events_total", "Outbox rows published", ["service"])
RELAY_FAILURES = Counter("bezant_relay_failures_total", "Attempts to publish that failed", ["service"])
CONSUMED_EVENTS = Counter("bezant_consumed_events_total", "Events handled", ["service"])
UNREADABLE_EVENTS = Counter("bezant_unreadable_events_total", "Messages that are not envelopes", ["service"])
RATE_LIMITED = Counter(
    "bezant_rate_limited_total", "Requests refused by the tenant's rate limit", ["service", "tenant"]
)
RATE_LIMIT_UNCHECKED = Counter(
    "bezant_rate_limit_unchecked_total", "Requests let through because Valkey did not answer", ["service"]
)


class PoolCollector(Collector):
    """Per-tenant figures of the connection pools, read when they are scraped."""

    def __init__(self, databases: TenantDatabases) -> None:
        self._databases = databases

    def collect(self) -> Iterable[Metric]:
        """Return size, use, waiting and wait time of each resident pool."""
        figures = {
            "pool_size": GaugeMetricFamily("bezant_pool_connections", "Open connections", labels=["tenant"]),
            "in_use": GaugeMetricFamily("bezant_pool_connections_in_use", "Lent connections", labels=["tenant"]),
            "requests_waiting": GaugeMetricFamily("bezant_pool_waiting", "Requests that wait", labels=["tenant"]),
            "wait": GaugeMetricFamily(
                "bezant_pool_wait_seconds_total", "Time spent waiting for a connection", labels=["tenant"]
            ),
        }
        for pool in self._databases.resident_pools():
            stats = pool.stats()
            labels = [str(pool.tenant_id)]
            figures["pool_size"].add_metric(labels, stats.get("pool_size", 0))
            figures["in_use"].add_metric(labels, pool.in_use)
            figures["requests_waiting"].add_metric(labels, stats.get("requests_waiting", 0))
            figures["wait"].add_metric(labels, stats.get("requests_wait_ms", 0) / 1000)
        cap = GaugeMetricFamily("bezant_pool_granted_connections", "Connections granted to all pools of the process")
        cap.add_metric([], self._databases.granted_connections)
        return [*figures.values(), cap]
