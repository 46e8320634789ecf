"""The checks see: each of these changes to what is installed makes at least one of them speak."""

from collections.abc import Callable
from typing import Any

import pytest

from bezant.topology.model.deployment import Topology

from .checks.registry import CHECKS, findings
from .counts import record
from .rendering import Manifest, Manifests, pod_spec

Change = Callable[[Manifests], None]


def _remove(kind: str, name: str) -> Change:
    def change(manifests: Manifests) -> None:
        manifests.all.remove(manifests.get(kind, name))

    return change


def _set(kind: str, name: str, path: str, value: Any) -> Change:
    """Set what stands at a dotted path; numbers are places in a list, and None takes it away."""

    def change(manifests: Manifests) -> None:
        here: Any = manifests.get(kind, name)
        *parents, last = path.split("/")
        for step in parents:
            here = here[int(step)] if isinstance(here, list) else here[step]
        if value is None:
            del here[int(last) if isinstance(here, list) else last]
        elif isinstance(here, list):
            here.insert(int(last), value)
        else:
            here[last] = value

    return change


def _variable(service: str, name: str, value: str | None) -> Change:
    def change(manifests: Manifests) -> None:
        (container,) = pod_spec(manifests.service_workload(service))["containers"]
        container["env"] = [one for one in container["env"] if one["name"] != name]
        if value is not None:
            container["env"].append({"name": name, "value": value})

    return change


def _add(manifest: Manifest) -> Change:
    return lambda manifests: manifests.all.append(manifest)


def _policy(name: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "bezant"}, "spec": spec,
    }  # fmt: skip


_POD = "spec/template/spec"
_CONTAINER = f"{_POD}/containers/0"
_PAYMENT = {"app.kubernetes.io/name": "payment", "app.kubernetes.io/part-of": "bezant"}
_ZONE_APART = [{"topologyKey": "topology.kubernetes.io/zone", "labelSelector": {"matchLabels": _PAYMENT}}]

# a change a line, so that they can be read as a list
# ruff: noqa: E501
MUTATIONS: dict[str, Change] = {
    "no disruption budget": _remove("PodDisruptionBudget", "payment"),
    "a budget that lets nobody go": _set("PodDisruptionBudget", "audit", "spec/maxUnavailable", 0),
    "a budget that a broken pod blocks": _set("PodDisruptionBudget", "audit", "spec/unhealthyPodEvictionPolicy", None),
    "two budgets for one service": _set("PodDisruptionBudget", "audit", "spec/selector/matchLabels", _PAYMENT),
    "no default deny": _remove("NetworkPolicy", "default-deny"),
    "no policy for payment": _remove("NetworkPolicy", "payment"),
    "payment may go anywhere": _set("NetworkPolicy", "payment", "spec/egress/0", {}),
    "anybody may come to the ledger": _set("NetworkPolicy", "transaction", "spec/ingress/0", {"ports": [{"port": 8000}]}),
    "a whole namespace may come": _set("NetworkPolicy", "fraud", "spec/ingress/0/from/0", {"podSelector": {}}),
    "another namespace may come": _set("NetworkPolicy", "fraud", "spec/ingress/0/from/0", {"namespaceSelector": {}}),
    "no way from payment to fraud": _set("NetworkPolicy", "payment", "spec/egress/0", None),
    "one more port to the stores": _set("NetworkPolicy", "payment", "spec/egress/2/ports/0", {"port": 22}),
    "the stores of another region": _set(
        "NetworkPolicy", "payment", "spec/egress/2/to/0", {"ipBlock": {"cidr": "10.1.20.0/24"}}
    ),
    "webhooks into private networks": _set("NetworkPolicy", "notification", "spec/egress/4/to/0/ipBlock/except", []),
    "one more policy that opens": _add(_policy("open", podSelector={}, policyTypes=["Ingress"], ingress=[{}])),
    "a gateway that the load balancer cannot name": _set("Gateway", "public", "spec/servers/0/hosts", ["api.bezant.example"]),
    "a gateway with old TLS": _set("Gateway", "public", "spec/servers/0/tls/minProtocolVersion", "TLSV1_0"),
    "a certificate that is not mounted": _set("Deployment", "gateway", f"{_CONTAINER}/volumeMounts/0/mountPath", "/etc/tls"),
    "any host": _set("AuthorizationPolicy", "gateway", "spec/rules/0", {"to": [{"operation": {"ports": ["8443"]}}]}),
    "rights in the cluster": _add({"kind": "Role", "metadata": {"name": "x", "namespace": "bezant"}}),
    "requests at random": _set("DestinationRule", "payment-stable", "spec/trafficPolicy/loadBalancer", {"simple": "RANDOM"}),
    "no bound for one replica": _set("EnvoyFilter", "bounded-load", "spec/configPatches/0", None),
    "mutual TLS is optional": _set("PeerAuthentication", "default", "spec/mtls/mode", "PERMISSIVE"),
    "no mutual TLS": _remove("PeerAuthentication", "default"),
    "a destination without TLS": _set("DestinationRule", "fraud-canary", "spec/trafficPolicy/tls/mode", "DISABLE"),
    "any identity may call the ledger": _set("AuthorizationPolicy", "transaction", "spec/rules/0", {}),
    "no policy for the ledger and none for all": lambda manifests: (
        _remove("AuthorizationPolicy", "transaction")(manifests),
        _remove("AuthorizationPolicy", "allow-nothing")(manifests),
    )[0],
    "callers may reach every path": _set("AuthorizationPolicy", "transaction", "spec/rules/1/to", None),
    "callers may also read": _set("AuthorizationPolicy", "fraud", "spec/rules/1/to/0/operation/methods", None),
    "the gateway may call inside": _set(
        "AuthorizationPolicy", "fraud", "spec/rules/0/to/0/operation/paths/0", "/internal/*"
    ),
    "a caller that the model has not": _set(
        "AuthorizationPolicy", "audit", "spec/rules/1",
        {"from": [{"source": {"principals": ["cluster.local/ns/bezant/sa/payment"]}}],
         "to": [{"operation": {"ports": ["8000"], "methods": ["POST"], "paths": ["/internal/v1/audit"]}}]},
    ),
    "a rule that forbids a path": _add(
        {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
         "metadata": {"name": "deny", "namespace": "bezant"},
         "spec": {"action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/v1/payments*"]}}]}]}}
    ),
    "a container that may gain rights": _set("Rollout", "payment", f"{_CONTAINER}/securityContext/allowPrivilegeEscalation", True),
    "a writable root file system": _set("Deployment", "audit", f"{_CONTAINER}/securityContext/readOnlyRootFilesystem", False),
    "kept capabilities": _set("Deployment", "audit", f"{_CONTAINER}/securityContext/capabilities", {}),
    "a capability more for the log collector": lambda manifests: manifests.get(
        "DaemonSet", "fluent-bit", "bezant-observability"
    )["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"].append("SYS_ADMIN"),
    "root": _set("Deployment", "audit", f"{_POD}/securityContext/runAsUser", 0),
    "no seccomp profile": _set("Deployment", "audit", f"{_POD}/securityContext/seccompProfile", None),
    "a token of the API server": _set("Deployment", "audit", f"{_POD}/automountServiceAccountToken", True),
    "the node's network": _set("Deployment", "audit", f"{_POD}/hostNetwork", True),
    "the node's files": _set("Deployment", "audit", f"{_POD}/volumes/0", {"name": "x", "hostPath": {"path": "/etc"}}),
    "a shared identity": _set("Deployment", "audit", f"{_POD}/serviceAccountName", "tenant"),
    "no identity": _remove("ServiceAccount", "audit"),
    "a setting that nothing reads": _variable("audit", "BEZANT_POOL_SIZE", "5"),
    "a setting left to its default": _variable("audit", "BEZANT_VALKEY_NODES", None),
    "a value that the code refuses": _variable("audit", "BEZANT_POOL_MIN_CONNECTIONS", "none"),
    "databases without verified TLS": _variable("audit", "BEZANT_DATABASE_SSLMODE", "require"),
    "a broker without TLS": _variable("audit", "BEZANT_KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"),
    "another connection cap": _variable("payment", "BEZANT_PROCESS_CONNECTION_CAP", "100"),
    "another version": _set("Rollout", "payment", f"{_CONTAINER}/image", "registry/bezant:1.2.2"),
    "less memory": _set("Rollout", "payment", f"{_CONTAINER}/resources/limits/memory", "512Mi"),
    "less CPU": _set("Deployment", "audit", f"{_CONTAINER}/resources/requests/cpu", "100m"),
    "a gateway that is too small": _set("Deployment", "gateway", f"{_CONTAINER}/resources/requests/cpu", "100m"),
    "one gateway": _set("Deployment", "gateway", "spec/replicas", 1),
    "another service's entry point": _set("Deployment", "audit", f"{_CONTAINER}/args", ["serve", "tenant"]),
    "fewer replicas": _set("Deployment", "tenant", "spec/replicas", 2),
    "replicas beside an autoscaler": _set("Deployment", "account", "spec/replicas", 3),
    "all tenants on the control database": _variable("tenant", "BEZANT_TENANT_PROVISIONER", "postgres"),
    "a tier that cannot be registered": _variable("tenant", "BEZANT_TENANT_TIERS", "shared"),
    "a tenant's cluster without our key": _variable("tenant", "BEZANT_AURORA_KMS_KEY_ID", ""),
    "no startup probe": _set("Deployment", "audit", f"{_CONTAINER}/startupProbe", None),
    "liveness that asks for dependencies": _set("Deployment", "audit", f"{_CONTAINER}/livenessProbe/httpGet/path", "/readyz"),
    "no pause before SIGTERM": _set("Deployment", "audit", f"{_CONTAINER}/lifecycle/preStop/sleep/seconds", 0),
    "too short a grace": _set("Deployment", "audit", f"{_POD}/terminationGracePeriodSeconds", 30),
    "a gateway that ends before it is left": _set("Deployment", "gateway", f"{_CONTAINER}/lifecycle/preStop/sleep/seconds", 20),
    "requests to the gateway's health port": _set("TargetGroupBinding", "gateway", "spec/serviceRef/port", "status"),
    "requests to nodes instead of pods": _set("TargetGroupBinding", "gateway", "spec/targetType", "instance"),
    "requests to another service": _set("TargetGroupBinding", "gateway", "spec/serviceRef/name", "account"),
    "one pod a zone": _set(
        "Rollout", "payment", f"{_POD}/affinity/podAntiAffinity",
        {"requiredDuringSchedulingIgnoredDuringExecution": _ZONE_APART},
    ),
    "old and new pods counted together": _set(
        "Deployment", "audit", f"{_POD}/topologySpreadConstraints/0/matchLabelKeys", None
    ),
    "a hash that Rollouts do not set": _set(
        "Rollout", "fraud", f"{_POD}/topologySpreadConstraints/0/matchLabelKeys", ["pod-template-hash"]
    ),
    "a dead zone that still counts": _set(
        "Deployment", "audit", f"{_POD}/topologySpreadConstraints/0/nodeTaintsPolicy", "Ignore"
    ),
    "balance that is only preferred": _set(
        "Deployment", "audit", f"{_POD}/topologySpreadConstraints/0/whenUnsatisfiable", "ScheduleAnyway"
    ),
    "a node group that holds too few": _set(
        "Rollout", "payment", f"{_POD}/affinity/nodeAffinity",
        {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "bezant.dev/node-group", "operator": "In", "values": ["memory"]}]}]}},
    ),
    "five minutes on a dead node": _set("Deployment", "audit", f"{_POD}/tolerations/0/tolerationSeconds", 300),
    "an autoscaler with another target": _set(
        "HorizontalPodAutoscaler", "payment", "spec/metrics/0/containerResource/target/averageUtilization", 80
    ),
    "an autoscaler that counts the proxy": _set(
        "HorizontalPodAutoscaler", "payment", "spec/metrics/0/containerResource/container", "istio-proxy"
    ),
    "an impatient autoscaler": _set(
        "HorizontalPodAutoscaler", "payment", "spec/behavior/scaleDown/stabilizationWindowSeconds", 60
    ),
    "an autoscaler of a Deployment that is none": _set(
        "HorizontalPodAutoscaler", "payment", "spec/scaleTargetRef/kind", "Deployment"
    ),
    "no autoscaler": _remove("HorizontalPodAutoscaler", "fraud"),
    "a step of half an hour": _set("Rollout", "payment", "spec/strategy/canary/steps/1/pause/duration", "30m"),
    "a larger first step": _set("Rollout", "payment", "spec/strategy/canary/steps/0/setWeight", 20),
    "no question at the end of a step": _set("Rollout", "payment", "spec/strategy/canary/steps/2", None),
    "a stable version that shrinks": _set("Rollout", "payment", "spec/strategy/canary/dynamicStableScale", True),
    "nobody judges": _set("Rollout", "payment", "spec/strategy/canary/analysis", None),
    "judged from the second step on": _set("Rollout", "payment", "spec/strategy/canary/analysis/startingStep", 4),
    "a way that is not weighed": _set("Rollout", "fraud", "spec/strategy/canary/trafficRouting/istio/virtualServices/1", None),
    "a limit of 5 %": _set(
        "AnalysisTemplate", "payment-canary", "spec/metrics/0/successCondition", "len(result) == 0 || result[0] <= 0.05"
    ),
    "a failure that is forgiven": _set("AnalysisTemplate", "payment-canary", "spec/metrics/0/failureLimit", 3),
    "no look at the latency": _set("AnalysisTemplate", "payment-canary", "spec/metrics/1", None),
    "too few samples are no reason to wait": _set(
        "AnalysisTemplate", "fraud-samples", "spec/metrics/0/failureCondition", "result[0] < 800"
    ),
    "requests to the canary from the start": _set("VirtualService", "internal", "spec/http/0/route/1/weight", 10),
    "a wide path before a narrow one": lambda manifests: manifests.get("VirtualService", "public")["spec"]["http"].reverse(),
    "a path that begins like another": _set("VirtualService", "public", "spec/http/1/match/1/uri", {"prefix": "/v1/accounts"}),
    "an inner path from outside": _set("VirtualService", "public", "spec/http/1/match/0", {"uri": {"exact": "/internal/v1/ledger"}}),
    "retries of what may have been handled": _set("VirtualService", "public", "spec/http/1/retries/retryOn", "5xx"),
    "a secret that nothing fetches": _remove("ExternalSecret", "platform-signing-payment"),
    "a secret with other keys": _set("ExternalSecret", "platform-kafka", "spec/data/0", None),
    "another service's secret": _set("ExternalSecret", "platform-control-audit", "spec/dataFrom/0/extract/key", "bezant/platform/control/tenant"),
    "a secret that is not mounted": _set("Rollout", "payment", f"{_CONTAINER}/volumeMounts/3", None),
    "a mount that the store does not look for": _set("Rollout", "payment", f"{_CONTAINER}/volumeMounts/3/mountPath", "/var/run/bezant/secrets/control-payment"),
    "a secret in the environment": lambda manifests: pod_spec(manifests.service_workload("audit"))["containers"][0]["env"].append(
        {"name": "KAFKA_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}
    ),
    "a secret written in the chart": _add(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "bezant"}, "data": {}}
    ),
    "no migrations": _set("Job", "migrate", f"{_POD}/initContainers", None),
    "migrations after the release": _set("Job", "migrate", "metadata/annotations", {"helm.sh/hook": "post-upgrade", "helm.sh/hook-weight": "0"}),
    "credentials that come after the migrations": _set("ExternalSecret", "migrate-administrator", "metadata/annotations", {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-weight": "5"}),
    "an address without pods": _set("Service", "audit", "spec/selector", {"app": "audit"}),
    "an address that leads to no port": _set("Service", "audit", "spec/ports/0/targetPort", "web"),
    "a region on standby that serves": _set("ConfigMap", "mode", "data/mode", "standby"),
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_change_for_the_worse_is_noticed(mutation: str, model: Topology) -> None:
    manifests = Manifests.of("us-east-1 active")
    MUTATIONS[mutation](manifests)
    assert manifests.all != Manifests.of("us-east-1 active").all, "nothing was changed"
    assert any(True for check in CHECKS.values() for _ in check(manifests, model))
    record("mutations", "changes for the worse, each noticed", str(len(MUTATIONS)))


def test_without_a_change_nothing_is_found(model: Topology) -> None:
    assert findings(Manifests.of("us-east-1 active"), model) == []
    record("checks of meaning", "on every profile", f"{len(CHECKS)} checks")
