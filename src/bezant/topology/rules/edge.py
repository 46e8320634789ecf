"""The way in: how soon the other region is found, and whether the firewall lets the planned load through."""

from collections.abc import Iterator

from bezant.topology.rules.rule import Deployment, Found, rule


@rule(
    "health-check-slow", "error", "Health checks and DNS turn within the time to switch",
    reason="After the promotion the other region's health check has to turn, and then the record's copies to end; what "
    "they need longer, the recovery time loses.",
    source="https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html",
)  # fmt: skip
def health_checks(deployment: Deployment) -> Iterator[Found]:
    """Interval x threshold and the TTL against the step `switch_dns`."""
    edge, recovery = deployment.topology.edge, deployment.topology.recovery
    switch = next((step.minutes for step in recovery.steps if step.name == "switch_dns"), None)
    if edge is None or switch is None:
        return
    asked, ttl = edge.health_checks, recovery.dns_ttl_seconds or 0
    needed = asked.interval_seconds * asked.failure_threshold + ttl
    if needed > switch * 60:
        yield Found(
            "edge.health_checks", f"clients are led to the other region after {needed} s",
            (f"{asked.interval_seconds} s × {asked.failure_threshold} + TTL {ttl} s = {needed} s > {switch:g} min",),
            "a shorter interval or a lower threshold",
        )  # fmt: skip


@rule(
    "firewall-below-peak", "error", "The firewall's limits are above the planned peak",
    reason="One tenant may carry the whole peak with one key and from one address; the firewall must not refuse it.",
    source="https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based.html",
)  # fmt: skip
def firewall(deployment: Deployment) -> Iterator[Found]:
    """Requests in a window at the planned peak against each limit."""
    edge, peak = deployment.topology.edge, deployment.topology.usage.peak_payments_per_second
    if edge is None or peak is None:
        return
    window = edge.firewall.window_seconds
    for name in ("requests_per_address", "requests_per_key"):
        limit = getattr(edge.firewall, name)
        if limit <= peak * window:
            yield Found(
                f"edge.firewall.{name}", f"{limit:,} requests in {window} s are refused at the planned peak",
                (f"{peak:g}/s × {window} s = {peak * window:,.0f} ≥ {limit:,}",), "a limit of twice the peak",
            )  # fmt: skip
