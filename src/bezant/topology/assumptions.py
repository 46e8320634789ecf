"""What the rules assume where no document says anything. Each has a reason, is printed with what it led to, and can
be changed (`bezant topology check --assume sidecar_cpu_millicores=50`)."""

from collections.abc import Mapping

from pydantic import Field, ValidationError

from bezant.topology.errors import UnknownAssumption
from bezant.topology.model.base import Part, Percentage


class Assumptions(Part):
    """Numbers that the rules need and the model may leave open."""

    # nodes
    kernel_memory_percent: Percentage = Field(
        7.5,
        description="memory of a node that the kernel and the hypervisor keep (Karpenter: VM_MEMORY_OVERHEAD_PERCENT)",
    )
    kubelet_base_memory_mebibytes: int = Field(255, ge=0, description="kube-reserved memory (amazon-eks-ami)")
    kubelet_memory_per_pod_mebibytes: int = Field(11, ge=0, description="kube-reserved memory per pod (amazon-eks-ami)")
    eviction_memory_mebibytes: int = Field(100, ge=0, description="hard eviction threshold (kubelet's default)")
    daemonset_cpu_millicores: int = Field(
        300, ge=0, description="per node, where a daemonset's request is not stated: VPC CNI, kube-proxy, logs, metrics"
    )
    daemonset_memory_mebibytes: int = Field(400, ge=0, description="the same, memory")
    sidecar_cpu_millicores: int = Field(100, ge=0, description="the mesh's proxy in each pod (Istio's default request)")
    sidecar_memory_mebibytes: int = Field(128, ge=0, description="the same, memory (Istio's default request)")
    canary_replicas_at_hpa_max: bool = Field(
        False, description="whether a canary may run at the autoscaler's maximum; rollouts are held while scaled out"
    )
    # databases
    bytes_per_connection: int = Field(
        9_531_392, ge=1, description="Aurora PostgreSQL: max_connections = memory / 9531392 (Aurora user guide)"
    )
    max_connections_bound: int = Field(5_000, ge=1, description="the formula's upper bound (Aurora user guide)")
    connections_reserved_percent: Percentage = Field(
        10.0, description="kept for superusers, replication, migrations and a failing-over pool's overlap"
    )
    hot_tenants_per_cluster: int = Field(
        1, ge=0, description="tenants of one shared cluster whose pools are full in every process at once"
    )
    # addresses
    nodes_growth_share_percent: Percentage = Field(
        90.0, description="share of a subnet that nodes and pods may take; the rest is for upgrades and load balancers"
    )
    # quotas
    quota_aurora_clusters: int = Field(40, ge=1, description="DB clusters per region (RDS quotas, default)")
    quota_aurora_instances: int = Field(40, ge=1, description="DB instances per region (RDS quotas, default)")
    quota_standard_vcpus: int = Field(
        256, ge=1, description="running on-demand vCPUs; new accounts start far lower (EC2 quotas: raise before launch)"
    )
    quota_elastic_addresses: int = Field(5, ge=1, description="Elastic IPs per region, one for each NAT gateway")
    # autoscaling
    cpu_utilisation_tolerance_percent: Percentage = Field(10.0, description="the HPA's tolerance (Kubernetes' default)")
    memory_utilisation_percent: Percentage = Field(
        50.0, description="memory used of what is requested on a usual day, where the document says nothing"
    )
    memory_target_percent: Percentage = Field(80.0, description="memory target, where the document says nothing")
    # canary statistics
    confidence_percent: Percentage = Field(95.0, description="two-sided")
    power_percent: Percentage = Field(80.0, description="chance to see the drop that the threshold names")
    healthy_success_percent: Percentage = Field(98.0, description="payment success rate of a healthy version")
    healthy_error_percent: Percentage = Field(0.2, description="error rate of a healthy version")
    false_abort_percent: Percentage = Field(5.0, description="tolerated odds that a healthy rollout is aborted")
    p99_tail_samples: int = Field(5, ge=1, description="slow requests that a 99th percentile should rest on")
    judgement_every_minutes: float = Field(
        1.0, gt=0, description="how often a limit is looked at, if no window is stated"
    )
    payments_per_month: int = Field(
        10_000_000, ge=1, description="traffic where none is stated: 100,000 payments a tenant, 3.8 a second"
    )
    # recovery
    backup_loss_minutes: float = Field(
        5.0, ge=0, description="what point-in-time recovery may lose (Aurora user guide)"
    )
    unknown_replication_loss_minutes: float = Field(
        1440.0, ge=0, description="loss of a store whose replication is not stated: the age of its last daily backup"
    )
    pre_stop_minimum_seconds: float = Field(
        5.0, ge=0, description="a pod's removal reaches every proxy only after some seconds (endpoint propagation)"
    )
    shutdown_seconds: float = Field(25.0, ge=0, description="what a process needs after SIGTERM, if it is not stated")
    # costs
    rounding_dollars: float = Field(5.0, ge=0, description="a stated amount may be this far from its own arithmetic")
    rounding_percent: Percentage = Field(1.0, description="or this far, whichever is more")
    pod_cpu_share_of_baseline_percent: Percentage = Field(
        100.0, description="requests may fill the baseline of burstable nodes to this share"
    )


def assume(changes: Mapping[str, str]) -> Assumptions:
    """Return the assumptions with changes given as text. Raises `UnknownAssumption` that says what is wrong."""
    unknown = [name for name in changes if name not in Assumptions.model_fields]
    if unknown:
        known = ", ".join(Assumptions.model_fields)
        raise UnknownAssumption(f"no assumption {', '.join(unknown)}; known are {known}")
    try:
        return Assumptions.model_validate(dict(changes), strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        raise UnknownAssumption(f"{first['loc'][0]}: {first['msg']}, not {first['input']!r}") from error
