"""Where the internet meets a region: the firewall before its load balancer, and what decides which region is asked."""

from typing import Annotated, Literal

from pydantic import Field

from bezant.topology.model.base import Name, Part, Positive


class WebFirewall(Part):
    """AWS WAF before the load balancer. Limits count requests in a sliding window."""

    managed_rule_groups: tuple[Name, ...] = Field(description="AWS's own rule groups, in their order")
    window_seconds: Literal[60, 120, 300, 600] = Field(description="the windows that WAF knows")
    requests_per_address: Annotated[int, Field(ge=10)] = Field(description="of one client address; WAF's minimum is 10")
    requests_per_key: Annotated[int, Field(ge=10)] = Field(description="with one Authorization header")


class HealthChecks(Part):
    """Route 53's questions to a region's public readiness path."""

    interval_seconds: Literal[10, 30] = Field(description="the intervals that Route 53 knows")
    failure_threshold: Annotated[int, Field(ge=1, le=10)] = Field(description="answers in a row that change its mind")


class Edge(Part):
    """The way in, the same in every region."""

    firewall: WebFirewall
    health_checks: HealthChecks
    access_log_days: Positive = Field(description="how long the load balancer's log is kept")
