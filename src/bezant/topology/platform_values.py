"""Values of other projects' charts, for what a cluster runs besides Bezant: the model's size, replicas, spread, budget.

Argo CD installs each chart at a pinned version (gitops/bootstrap/apps/platform.yaml) with the file of its name. Which
keys a chart reads is its own; the numbers are the model's `platform` section.
"""

from typing import Any, Final

from bezant.topology.errors import NotStated
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from bezant.topology.model.workloads import Workload

Values = dict[str, Any]
WORKLOADS: Final = {
    "istiod": "istiod",
    "aws-load-balancer-controller": "load-balancer-controller",
    "external-secrets": "external-secrets",
    "cluster-autoscaler": "cluster-autoscaler",
    "argo-rollouts": "argo-rollouts",
    "prometheus": "prometheus",
}
"""The model's workload by the component that brings it."""
_DOMAINS: Final = {"zone": "topology.kubernetes.io/zone", "node": "kubernetes.io/hostname"}
_NODE_GROUP: Final = "bezant.dev/node-group"


def platform_values(topology: Topology) -> dict[str, Values]:
    """Return every document by its path, such as `us-east-1/istiod.yaml`. Raises `NotStated`."""
    workloads = {one.name: one for one in topology.platform}
    missing = sorted(f"platform[{name}]" for name in WORKLOADS.values() if name not in workloads)
    missing += [
        f"platform[{name}].disruption_budget"
        for name in WORKLOADS.values()
        if name in workloads and workloads[name].disruption_budget is None
    ]
    if missing:
        raise NotStated(topology.name, missing)
    documents: dict[str, Values] = {}
    for region in topology.regions:
        made = {name: workloads[workload] for name, workload in WORKLOADS.items()}
        documents[f"{region.name}/istio-base.yaml"] = {"defaultRevision": "default"}
        documents[f"{region.name}/istio-cni.yaml"] = {"global": {"logAsJson": True}}
        documents[f"{region.name}/istiod.yaml"] = _istiod(region, made["istiod"])
        documents[f"{region.name}/aws-load-balancer-controller.yaml"] = _load_balancer(
            region, made["aws-load-balancer-controller"]
        )
        documents[f"{region.name}/external-secrets.yaml"] = _external_secrets(region, made["external-secrets"])
        documents[f"{region.name}/cluster-autoscaler.yaml"] = _autoscaler(topology, region, made["cluster-autoscaler"])
        documents[f"{region.name}/argo-rollouts.yaml"] = _rollouts(region, made["argo-rollouts"])
        documents[f"{region.name}/prometheus.yaml"] = _prometheus(region, made["prometheus"])
    return documents


def _replicas(region: Region, one: Workload) -> int:
    return one.replicas if region.role == "primary" else one.standby_replicas or one.replicas


def _resources(one: Workload) -> Values:
    memory = f"{one.memory_mebibytes}Mi"
    return {"requests": {"cpu": f"{one.cpu_millicores}m", "memory": memory}, "limits": {"memory": memory}}


def _spread(one: Workload, labels: dict[str, str], template_hash: str = "pod-template-hash") -> list[Values]:
    return [
        {
            "topologyKey": _DOMAINS[rule.domain],
            "maxSkew": rule.max_skew,
            "whenUnsatisfiable": "DoNotSchedule" if rule.required else "ScheduleAnyway",
            "nodeTaintsPolicy": "Honor" if rule.honors_taints else "Ignore",
            "labelSelector": {"matchLabels": labels},
            **({"matchLabelKeys": [template_hash]} if rule.per_template else {}),
        }
        for rule in one.placement.spread
    ]


def _affinity(one: Workload) -> Values:
    group = one.placement.node_group
    if group is None:
        return {}
    term = {"matchExpressions": [{"key": _NODE_GROUP, "operator": "In", "values": [group]}]}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": term}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"nodeAffinity": required if one.placement.required else preferred}


def _budget(one: Workload) -> int:
    assert one.disruption_budget is not None
    return one.disruption_budget.max_unavailable or 0


def _istiod(region: Region, one: Workload) -> Values:
    return {
        "autoscaleEnabled": False,
        "replicaCount": _replicas(region, one),
        "rollingMaxSurge": one.rollout.max_surge,
        "rollingMaxUnavailable": one.rollout.max_unavailable,
        "resources": _resources(one),
        "affinity": _affinity(one),
        "topologySpreadConstraints": _spread(one, {"app": "istiod"}),
        # pods get their redirection from the CNI plugin, and proxies that start before and end after the service
        "cni": {"enabled": True},
        "env": {"ENABLE_NATIVE_SIDECARS": "true"},
        "seccompProfile": {"type": "RuntimeDefault"},
        # the chart's own budget keeps one pod
        "global": {"defaultPodDisruptionBudget": {"enabled": True}, "logAsJson": True},
    }


def _load_balancer(region: Region, one: Workload) -> Values:
    return {
        "clusterName": region.cluster.name,
        "region": region.name,
        # pods cannot ask the node which network they are in
        "vpcTags": {"Name": region.network.vpc_name},
        "replicaCount": _replicas(region, one),
        "resources": _resources(one),
        "affinity": _affinity(one),
        "topologySpreadConstraints": _spread(one, {"app.kubernetes.io/name": "aws-load-balancer-controller"}),
        "podDisruptionBudget": {"maxUnavailable": _budget(one)},
        "serviceAccount": {"name": "aws-load-balancer-controller"},
        # the load balancer is the stacks'; the controller registers pods and makes nothing
        "enableServiceMutatorWebhook": False,
        "createIngressClassResource": False,
    }


def _external_secrets(region: Region, one: Workload) -> Values:
    return {
        "installCRDs": True,
        "replicaCount": _replicas(region, one),
        "leaderElect": True,
        "resources": _resources(one),
        "affinity": _affinity(one),
        "topologySpreadConstraints": _spread(one, {"app.kubernetes.io/name": "external-secrets"}),
        "podDisruptionBudget": {"enabled": True, "minAvailable": None, "maxUnavailable": _budget(one)},
        "serviceAccount": {"name": "external-secrets"},
        "webhook": {"replicaCount": _replicas(region, one)},
    }


def _autoscaler(topology: Topology, region: Region, one: Workload) -> Values:
    scaler = topology.node_autoscaler
    rules: Values = {
        "balance-similar-node-groups": "true",
        "expander": "least-waste",
        "skip-nodes-with-system-pods": "false",
    }
    if scaler is not None:
        rules["scale-down-utilization-threshold"] = f"{scaler.scale_down_below_utilisation / 100:g}"
        rules["scale-down-unneeded-time"] = f"{scaler.scale_down_after_minutes:g}m"
    return {
        "autoDiscovery": {"clusterName": region.cluster.name},
        "awsRegion": region.name,
        "replicaCount": _replicas(region, one),
        "resources": _resources(one),
        "affinity": _affinity(one),
        "topologySpreadConstraints": _spread(one, {"app.kubernetes.io/name": "aws-cluster-autoscaler"}),
        "podDisruptionBudget": {"maxUnavailable": _budget(one)},
        "rbac": {"serviceAccount": {"name": "cluster-autoscaler"}},
        "extraArgs": rules,
    }


def _rollouts(region: Region, one: Workload) -> Values:
    return {
        "controller": {
            "replicas": _replicas(region, one),
            "resources": _resources(one),
            "affinity": _affinity(one),
            "topologySpreadConstraints": _spread(one, {"app.kubernetes.io/component": "rollouts-controller"}),
            "pdb": {"enabled": True, "maxUnavailable": _budget(one)},
        },
    }


def _prometheus(region: Region, one: Workload) -> Values:
    return {
        "fullnameOverride": "prometheus",
        # people look at Grafana outside of the cluster that they look at; alerts go where the alarms go
        "grafana": {"enabled": False},
        "prometheus": {
            "podDisruptionBudget": {"enabled": True, "minAvailable": None, "maxUnavailable": _budget(one)},
            "prometheusSpec": {
                "replicas": _replicas(region, one),
                "resources": _resources(one),
                "affinity": _affinity(one),
                "topologySpreadConstraints": _spread(
                    one, {"app.kubernetes.io/name": "prometheus"}, "controller-revision-hash"
                ),
                "retention": "15d",
                "storageSpec": {
                    "volumeClaimTemplate": {
                        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}}
                    }
                },
            },
        },
    }
