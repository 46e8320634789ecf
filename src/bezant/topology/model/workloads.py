"""Services and the other pods: size, placement, rollout, probes, autoscaling."""

from typing import Annotated, Literal

from pydantic import Field

from bezant.topology.model.base import Count, Name, Part, Percentage, Pods, Positive, Seconds, Span
from bezant.topology.model.delivery import Autoscaling, Canary

Domain = Literal["zone", "node"]


class AntiAffinity(Part):
    """Keeps pods of one workload apart. Required: at most one in each domain."""

    domain: Domain
    required: bool


class TopologySpread(Part):
    """A topologySpreadConstraint over the pods of one workload."""

    domain: Domain
    max_skew: Positive
    required: bool = Field(description="DoNotSchedule, as opposed to ScheduleAnyway")
    per_template: bool = Field(description="matchLabelKeys: pod-template-hash, so that old and new count apart")
    honors_taints: bool = Field(description="nodeTaintsPolicy: Honor, so that a dead zone is no domain any more")


class Rollout(Part):
    """The rolling update."""

    max_surge: Pods
    max_unavailable: Pods
    pod_ready_minutes: Span = Field(description="from the pod's creation to ready, image pull included")


class DisruptionBudget(Part):
    """The PodDisruptionBudget."""

    max_unavailable: Count


class Probe(Part):
    """One HTTP probe."""

    path: Name
    period_seconds: Positive
    timeout_seconds: Positive
    failure_threshold: Positive


class Probes(Part):
    """Null fields of a probe are not stated; a missing probe is not made."""

    startup: Probe | None
    readiness: Probe | None
    liveness: Probe | None


class Placement(Part):
    """Where the pods of a workload may run."""

    node_group: Name | None = Field(None, description="null: any group")
    required: bool = Field(False, description="the group is required, not preferred")
    anti_affinity: AntiAffinity | None = None
    spread: tuple[TopologySpread, ...] = ()


class Workload(Part):
    """Pods of one kind."""

    name: Name
    replicas: Annotated[Pods, Field(ge=1)]
    standby_replicas: Pods | None = Field(None, description="in the secondary region; null: not stated")
    cpu_millicores: Positive
    memory_mebibytes: Positive
    sidecar: bool = Field(description="carries the mesh's proxy")
    placement: Placement = Placement()
    rollout: Rollout
    disruption_budget: DisruptionBudget | None = None
    termination_grace_seconds: Seconds
    pre_stop_seconds: Seconds | None = Field(None, description="the pre-stop hook's pause; null: not stated")
    shutdown_seconds: Seconds | None = Field(None, description="what the process itself needs after SIGTERM")


class Service(Workload):
    """One of the seven services, or whatever a team adds."""

    version: Name | None = None
    port: Positive | None = None
    exposed: bool = Field(description="reached from the internet through the load balancer")
    calls: tuple[Name, ...] = Field((), description="synchronous calls, by service")
    tenant_databases: bool = Field(description="opens a pool for each tenant")
    probes: Probes | None = None
    autoscaling: Autoscaling | None = None
    canary: Canary | None = None


class Admission(Part):
    """How many requests a process works on at once: as many as leave within the target, by Little's law."""

    target_milliseconds: Positive = Field(description="how long an admitted request takes at the limit")
    smallest: Positive = Field(description="the least that the limit falls to")
    initial: Positive = Field(description="the limit of a process that has not met it")
    largest: Positive = Field(description="the most that the limit rises to")
    queue_milliseconds: Count = Field(description="how long a request above its tenant's share waits for room")
    deadline_seconds: Positive = Field(description="how long a caller waits at most; shorter than the gateway does")


class Sidecar(Part):
    """The mesh's proxy beside each pod. Null: not stated, so the assumption is used."""

    cpu_millicores: Count | None = None
    memory_mebibytes: Count | None = None


class NodeAutoscaler(Part):
    """Adds and removes nodes."""

    provision_minutes: Span
    scale_down_below_utilisation: Percentage
    scale_down_after_minutes: Seconds
