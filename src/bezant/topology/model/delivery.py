"""Autoscaling, canary, and recovery in another region."""

from typing import Annotated, Literal

from pydantic import Field

from bezant.topology.model.base import Count, Name, Part, Percentage, Pods, Positive, Seconds, Span


class AutoscalingStep(Part):
    """What the document tells of one decision of the autoscaler."""

    replicas_before: Positive
    cpu_utilisation: Percentage | None = None
    memory_utilisation: Percentage | None = None
    replicas_after: Positive
    after_minutes: Seconds | None = None


class Autoscaling(Part):
    """A HorizontalPodAutoscaler. A null target is not stated; a metric that is not used has `uses_memory: false`."""

    min_replicas: Annotated[Pods, Field(ge=1)]
    max_replicas: Annotated[Pods, Field(ge=1)]
    cpu_target: Percentage | None
    uses_memory: bool
    memory_target: Percentage | None = None
    normal_cpu_utilisation: Percentage | None = Field(None, description="at min_replicas on a usual day")
    normal_memory_utilisation: Percentage | None = None
    scale_down_stabilisation_minutes: Seconds
    story: tuple[AutoscalingStep, ...] = Field((), description="the decisions that the document tells")


class CanaryStep(Part):
    """One step: the weight of the new version, its pods, and how long it is watched."""

    weight: Percentage
    pods: Annotated[Pods, Field(ge=1)]
    hold_minutes: Seconds


class SuccessRateDrop(Part):
    """The tolerated drop of the payment success rate. Null fields are what the document leaves open."""

    drop: Percentage
    measured_in: Literal["percentage_points", "relative_percent"] | None
    against: Literal["stable_at_the_same_time", "before_the_rollout"] | None


class CanaryAnalysis(Part):
    """What ends a rollout. A null window or minimum means: any single measurement above the limit."""

    error_rate_limit: Percentage
    error_rate_at_limit: Literal["passes", "fails"] | None = Field(description="what exactly the limit means")
    p99_latency_limit_milliseconds: Positive
    success_rate: SuccessRateDrop
    window_minutes: Seconds | None = Field(None, description="each judgement looks at this much; null: not stated")
    minimum_samples: Count | None = Field(None, description="no judgement below this many requests to the canary")


class Canary(Part):
    """A weighted rollout of a new version beside the stable one."""

    steps: tuple[CanaryStep, ...]
    analysis: CanaryAnalysis
    stable_keeps_replicas: bool = Field(True, description="the stable version stays whole until the end")
    pods_follow_weight: bool = Field(
        False, description="pods are the weight's share of the replicas of the moment; else the numbers are fixed"
    )
    stated_hours: Span | None = None


class RecoveryStep(Part):
    """One step of the fail-over, in order."""

    name: Literal["detect", "decide", "promote_database", "scale_out", "verify", "switch_dns"]
    minutes: Seconds | None = Field(None, description="planned; null: not stated")
    measured_minutes: Seconds | None = Field(None, description="in the last drill; null: never measured")

    @property
    def known_minutes(self) -> float | None:
        """What was measured, or else what is planned."""
        return self.minutes if self.measured_minutes is None else self.measured_minutes


class StoreRecovery(Part):
    """How one store reaches the other region, and how much of it can be lost."""

    store: Literal["aurora", "valkey", "kafka", "secrets"]
    method: Literal["global_database", "read_replica", "standby", "replay_from_outbox", "rebuild", "replica_secrets"]
    loss_seconds: Seconds | None = Field(None, description="expected loss; null: not stated")


class Recovery(Part):
    """Disaster recovery: targets, steps, stores, drills."""

    rto_minutes: Positive
    rpo_minutes: Seconds
    steps: tuple[RecoveryStep, ...]
    stores: tuple[StoreRecovery, ...]
    dns_switch: Literal["health_check_alone", "after_promotion"]
    dns_ttl_seconds: Count | None = None
    drill_every_days: Positive | None = Field(None, description="null: the targets are asserted, never measured")
    in_region_failover_seconds: Seconds | None = None
    secondary_role: Name = "standby"
