"""Read the metrics of replicas and of the gateway into `Samples`, under the names that the chart's questions use.

On a cluster the mesh's proxies count requests as `istio_requests_total`: beside who answers (reporter="destination")
and beside who asks (reporter="source"). Here the services' own counters take the place of the first and the gateway's
those of the second; a replica's arm is what `rollouts_pod_template_hash` is there.

Source: https://istio.io/latest/docs/reference/config/metrics/
"""

import asyncio
from collections import Counter
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from bezant.local import wire
from bezant.local.gateway import cluster_name
from bezant.local.plan import STABLE
from bezant.rehearsal.canary.samples import Samples

NAMESPACE: Final = "bezant"
_REQUESTS: Final = "bezant_http_requests_total"
_DURATIONS: Final = "bezant_http_request_duration_seconds_bucket"
_PASSED_ON: Final = frozenset(
    {"bezant_payments_total", "bezant_fraud_assessments_total", "bezant_internal_parts_total"}
)
_ASKED_FOR: Final = (_REQUESTS, _DURATIONS, *_PASSED_ON)
_UNREACHABLE: Final = (OSError, EOFError, ValueError, TimeoutError)
_SCRAPE_SECONDS: Final = 2.0


async def scrape_replica(samples: Samples, *, name: str, port: int, arm: str, at_seconds: float) -> bool:
    """Add what a replica's /metrics says, at a moment of the model's time. Returns whether it answered."""
    try:
        async with asyncio.timeout(_SCRAPE_SECONDS):
            _, body = await wire.http_request(port, "/metrics")
    except _UNREACHABLE:
        return False  # as for Prometheus: a target that does not answer leaves a gap
    common = {"namespace": NAMESPACE, "rollouts_pod_template_hash": arm, "pod": name}
    by_status: Counter[str] = Counter()
    by_bound: Counter[str] = Counter()
    # a replica tells of far more, and what measures must not take the processor from what is measured
    told = "\n".join(line for line in body.decode().splitlines() if line.startswith(_ASKED_FOR))
    for family in text_string_to_metric_families(f"{told}\n"):
        for sample in family.samples:
            if sample.name == _REQUESTS:
                by_status[sample.labels["status"]] += int(sample.value)
            elif sample.name == _DURATIONS:
                by_bound[sample.labels["le"]] += int(sample.value)
            elif sample.name in _PASSED_ON:
                samples.add(sample.name, {**sample.labels, **common}, at_seconds, sample.value)
    answered = {**common, "reporter": "destination"}
    for status, count in by_status.items():
        samples.add("istio_requests_total", {**answered, "response_code": status}, at_seconds, count)
    for bound, count in by_bound.items():
        limit = "+Inf" if bound == "+Inf" else f"{float(bound) * 1000:g}"
        samples.add("istio_request_duration_milliseconds_bucket", {**answered, "le": limit}, at_seconds, count)
    return True


async def scrape_gateway(
    samples: Samples, *, admin_port: int, service: str, arms: list[str], at_seconds: float
) -> bool:
    """Add how many requests the gateway sent to each arm, by what came back. Returns whether it answered."""
    clusters = {cluster_name(service, arm): arm for arm in arms}
    pattern = "|".join(clusters)
    try:
        async with asyncio.timeout(_SCRAPE_SECONDS):
            _, body = await wire.http_request(
                admin_port, f"/stats?filter=^cluster\\.({pattern})\\.upstream_rq_[0-9]%2B$"
            )
    except _UNREACHABLE:
        return False
    for line in body.decode().splitlines():
        name, _, value = line.partition(": ")
        cluster, _, code = name.removeprefix("cluster.").partition(".upstream_rq_")
        labels = {
            "reporter": "source",
            "destination_service_namespace": NAMESPACE,
            "destination_service_name": f"{service}-{clusters[cluster] if clusters[cluster] != STABLE else 'stable'}",
            "response_code": code,
        }
        samples.add("istio_requests_total", labels, at_seconds, float(value))
    return True
