"""Who can reach whom: NetworkPolicies by address, AuthorizationPolicies by identity, each read as its engine reads it.

Sources: https://kubernetes.io/docs/concepts/services-networking/network-policies/ and
https://istio.io/latest/docs/reference/config/security/authorization-policy/
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bezant.local.gateway import INTERNAL_ROUTES, PUBLIC_ROUTES
from bezant.topology.model.deployment import Topology

from ..rendering import NAMESPACE, SERVICES, Manifest, Manifests, environment, pod_labels, pod_spec

OBSERVABILITY: Final = "bezant-observability"
APPLICATION_PORT: Final = 8000


@dataclass(frozen=True)
class Place:
    """A pod with its namespace and labels, or an address outside of the cluster."""

    name: str
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    address: str | None = None


OUTSIDE: Final = (
    Place("a store", address="10.0.20.9"),
    Place("a store in sa-east-1", address="10.1.20.9"),
    Place("the load balancer", address="10.0.1.9"),
    Place("the load balancer in sa-east-1", address="10.1.1.9"),
    Place("an endpoint of AWS", address="10.0.32.9"),
    Place("an endpoint of AWS in sa-east-1", address="10.1.32.9"),
    Place("the internet", address="203.0.113.9"),
    Place("the node's metadata", address="169.254.169.254"),
    Place("the credentials agent", address="169.254.170.23"),
)
STRANGERS: Final = (
    Place("a stranger in bezant", NAMESPACE, {"app": "stranger"}),
    Place("a stranger elsewhere", "default", {"app": "stranger"}),
    Place("one who only calls itself payment", "default", {"app.kubernetes.io/name": "payment"}),
    Place("a stranger in monitoring", "monitoring", {"app": "stranger"}),
)
PROMETHEUS: Final = Place("prometheus", "monitoring", {"app.kubernetes.io/name": "prometheus"})
DNS: Final = Place("dns", "kube-system", {"k8s-app": "kube-dns"})
ISTIOD: Final = Place("istiod", "istio-system", {"app": "istiod"})
PORTS: Final = (
    ("TCP", APPLICATION_PORT), ("TCP", 5432), ("TCP", 6379), ("TCP", 9096), ("TCP", 443), ("TCP", 80), ("TCP", 8443),
    ("TCP", 15020), ("TCP", 15021), ("TCP", 15012), ("TCP", 4318), ("UDP", 53), ("TCP", 53), ("TCP", 22), ("TCP", 587),
)  # fmt: skip


def places(manifests: Manifests) -> dict[str, Place]:
    """Return every pod of the chart, those of others, and addresses outside, by name."""
    pods = [
        Place(one["metadata"]["name"], one["metadata"]["namespace"], pod_labels(one))
        for one in (*manifests.workloads(), *manifests.kind("Job"))
    ]
    return {place.name: place for place in (*pods, *OUTSIDE, *STRANGERS, PROMETHEUS, DNS, ISTIOD)}


def _matches(selector: Manifest, labels: Mapping[str, str]) -> bool:
    if "matchExpressions" in selector:
        raise NotImplementedError("no policy of the chart uses matchExpressions")
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())


def _peer_matches(peer: Manifest, place: Place, namespace: str) -> bool:
    if "ipBlock" in peer:
        if place.address is None:
            return False
        address = ipaddress.ip_address(place.address)
        block = peer["ipBlock"]
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(without) for without in block.get("except", [])
        )
    if place.namespace is None:
        return False
    if "namespaceSelector" in peer:
        if not _matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": place.namespace}):
            return False
    elif place.namespace != namespace:
        return False
    return _matches(peer.get("podSelector", {}), place.labels)


def _port_matches(rule: Manifest, protocol: str, port: int) -> bool:
    ports = rule.get("ports")
    return ports is None or any(one.get("protocol", "TCP") == protocol and one.get("port") == port for one in ports)


def _policies(manifests: Manifests, pod: Place, way: str) -> list[Manifest]:
    return [
        policy
        for policy in manifests.kind("NetworkPolicy")
        if policy["metadata"]["namespace"] == pod.namespace
        and way.capitalize() in policy["spec"]["policyTypes"]
        and _matches(policy["spec"]["podSelector"], pod.labels)
    ]


def _passes(policies: list[Manifest], pod: Place, other: Place, port: tuple[str, int], way: str) -> bool:
    """Say whether one side lets the packets through. A pod that no policy selects lets everything through."""
    side = "from" if way == "ingress" else "to"
    return not policies or any(
        _port_matches(rule, *port)
        and (side not in rule or any(_peer_matches(peer, other, str(pod.namespace)) for peer in rule[side]))
        for policy in policies
        for rule in policy["spec"].get(way, [])
    )


def wanted_edges(manifests: Manifests, model: Topology) -> set[tuple[str, str, str, int]]:
    """Return (source, target, protocol, port) of everything that must pass, from the model."""
    region = _region(manifests)
    suffix = "" if region == "us-east-1" else f" in {region}"
    edges = set()
    for service in model.services:
        edges |= {(service.name, callee, "TCP", APPLICATION_PORT) for callee in service.calls}
        edges |= {(service.name, f"a store{suffix}", "TCP", port) for port in (5432, 6379, 9096)}
        edges.add((service.name, "collector", "TCP", 4318))
        if service.exposed:
            edges.add(("gateway", service.name, "TCP", APPLICATION_PORT))
    # only notification speaks with what a tenant names, and tenant with who signs operators in and with the other
    # region's RDS API
    edges.add(("notification", "the internet", "TCP", 443))
    for service, setting, port in (
        ("notification", "BEZANT_NOTIFICATION_SMTP_HOST", 587), ("tenant", "BEZANT_TENANT_OIDC_ISSUER", 443),
        ("tenant", "BEZANT_AURORA_SECONDARY_REGION", 443),
    ):  # fmt: skip
        (container,) = pod_spec(manifests.service_workload(service))["containers"]
        if setting in environment(container):
            edges.add((service, "the internet", "TCP", port))
    edges |= {(f"the load balancer{suffix}", "gateway", "TCP", port) for port in (8443, 15021)}
    own = [*SERVICES, "gateway"]
    edges |= {("prometheus", one, "TCP", 15020) for one in own}
    edges |= {(one, "istiod", "TCP", 15012) for one in own}
    jobs = [one["metadata"]["name"] for one in manifests.kind("Job")]
    edges |= {(one, f"a store{suffix}", "TCP", port) for one in jobs for port in (5432, 9096)}
    resolving = [*own, "collector", "fluent-bit", *jobs]
    edges |= {(one, "dns", protocol, 53) for one in resolving for protocol in ("TCP", "UDP")}
    with_aws = [*SERVICES, "collector", "fluent-bit", *jobs]
    edges |= {(one, f"an endpoint of AWS{suffix}", "TCP", 443) for one in with_aws}
    edges |= {(one, "the credentials agent", "TCP", 80) for one in with_aws}
    return edges


def _region(manifests: Manifests) -> str:
    (container,) = pod_spec(manifests.service_workload("payment"))["containers"]
    return str(environment(container)["BEZANT_AWS_REGION"])


def check_network_edges(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Each side of every edge of the model lets it through, and no other between any two places on any port.

    Both sides are asked by themselves: that the other one refuses is no reason to be open.
    """
    known = places(manifests)
    wanted = wanted_edges(manifests, model)
    strangers = {place.name for place in STRANGERS}
    ours = [place for place in known.values() if place.namespace in (NAMESPACE, OBSERVABILITY)]
    for pod in ours:
        for way in ("egress", "ingress"):
            policies = _policies(manifests, pod, way)
            for other in known.values():
                if other is pod:
                    continue
                source, target = (pod, other) if way == "egress" else (other, pod)
                for port in PORTS:
                    edge = (source.name, target.name, *port)
                    passes = _passes(policies, pod, other, port, way)
                    # what every pod of the namespace may do, a pod without a proxy, or a stranger's, may do as well
                    if (pod.name in {"migrate", *strangers} and edge[1:] in _COMMON) or edge[::3] == (
                        "prometheus",
                        15020,
                    ):
                        continue
                    if passes and edge not in wanted:
                        yield f"{pod.name} opens {way} {source.name} -> {target.name} {port}, not in the model"
                    elif not passes and edge in wanted:
                        yield f"{pod.name} refuses {way} {source.name} -> {target.name} {port} of the model"


_COMMON: Final = {("istiod", "TCP", 15012), ("dns", "TCP", 53), ("dns", "UDP", 53)}


def check_gateway(manifests: Manifests, model: Topology) -> Iterator[str]:
    """The gateway speaks TLS with a certificate that it has as files, and lets through the public host alone.

    The load balancer sends no SNI, so that a server for one host would have no certificate for it:
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
    """
    (server,) = manifests.get("Gateway", "public")["spec"]["servers"]
    if server["hosts"] != ["*"] or server["port"] != {"number": 8443, "name": "https", "protocol": "HTTPS"}:
        yield f"the load balancer finds no server: {server['hosts']} on {server['port']}"
    tls = server["tls"]
    if tls["mode"] != "SIMPLE" or tls["minProtocolVersion"] not in ("TLSV1_2", "TLSV1_3"):
        yield f"the gateway takes requests by {tls}"
    workload = manifests.get("Deployment", "gateway")
    (proxy,) = pod_spec(workload)["containers"]
    volumes = {one["name"]: one.get("secret", {}).get("secretName") for one in pod_spec(workload)["volumes"]}
    mounted = {one["mountPath"]: volumes[one["name"]] for one in proxy["volumeMounts"]}
    for key, file in (("serverCertificate", "tls.crt"), ("privateKey", "tls.key")):
        directory, _, name = tls.get(key, "").rpartition("/")
        secret = mounted.get(directory)
        if name != file or secret is None:
            yield f"the gateway's {key} is at {tls.get(key)}, where nothing is mounted"
            continue
        keys = {one["secretKey"] for one in manifests.get("ExternalSecret", secret)["spec"]["data"]}
        if file not in keys:
            yield f"the secret {secret} has no {file}"
    if domain := model.domain:
        rules = manifests.get("AuthorizationPolicy", "gateway")["spec"]["rules"]
        if rules != [{"to": [{"operation": {"hosts": [domain, f"{domain}:*"], "ports": ["8443"]}}]}]:
            yield f"the gateway lets through {rules}"
    for one in manifests.kind("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        yield f"the chart gives rights in the cluster: {one['kind']} {one['metadata']['name']}"


def check_scraped(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Prometheus, and nobody else, reaches the figures of every service and of the gateway."""
    known = places(manifests)
    for name in (*SERVICES, "gateway"):
        for other in known.values():
            passes = _passes(
                _policies(manifests, known[name], "ingress"), known[name], other, ("TCP", 15020), "ingress"
            )
            if passes != (other.name == "prometheus"):
                yield f"{other.name} {'reaches' if passes else 'does not reach'} the figures of {name}"


def check_default_deny(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Each namespace has a policy for all its pods, so that one that no other policy knows can do nothing."""
    for namespace in (NAMESPACE, OBSERVABILITY):
        name = "default-deny"
        found = [
            one["spec"]
            for one in manifests.kind("NetworkPolicy")
            if (one["metadata"]["name"], one["metadata"]["namespace"]) == (name, namespace)
        ]
        if [(one["podSelector"], sorted(one["policyTypes"]), one.get("ingress")) for one in found] != [
            ({}, ["Egress", "Ingress"], None)
        ]:
            yield f"{namespace} has no {name} for all its pods"


def _request_allowed(policy: Manifest, principal: str | None, request: Mapping[str, str]) -> bool:
    for rule in policy["spec"].get("rules", []):
        sources = rule.get("from")
        if sources is not None and not any(_one_of(one["source"], "principals", principal) for one in sources):
            continue
        operations = rule.get("to")
        if operations is None or any(
            all(_one_of(one["operation"], f"{name}s", value) for name, value in request.items()) for one in operations
        ):
            return True
    return False


def _one_of(matcher: Manifest, name: str, value: str | None) -> bool:
    """Match as Istio does: exactly, by a prefix with a star behind, or anything when the field is not there."""
    if name not in matcher:
        return True
    return value is not None and any(_matches_text(one, value) for one in matcher[name])


def _matches_text(pattern: str, value: str) -> bool:
    if "{*}" in pattern:
        # a path template: the braces stand for one segment
        mine, theirs = pattern.split("/"), value.split("/")
        return len(mine) == len(theirs) and all(
            (one == "{*}" and bool(other)) or one == other for one, other in zip(mine, theirs, strict=True)
        )
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def answers(routes: Sequence[str], path: str) -> bool:
    """Say whether a path is one of these routes, as the laptop's gateway reads them."""
    for route in routes:
        if "*" in route:
            if _matches_text(route.replace("*", "{*}"), path):
                return True
        elif path == route or path.startswith(f"{route}/"):
            return True
    return False


def permits(manifests: Manifests, target: Mapping[str, str], principal: str | None, request: Mapping[str, str]) -> bool:
    """Say whether the mesh lets a request through to pods with these labels. Without any policy everything passes."""
    policies = [
        policy
        for policy in manifests.kind("AuthorizationPolicy")
        if all(
            target.get(name) == value
            for name, value in policy["spec"].get("selector", {}).get("matchLabels", {}).items()
        )
    ]
    actions: dict[str, list[Any]] = {"ALLOW": [], "DENY": []}
    for policy in policies:
        actions[policy["spec"].get("action", "ALLOW")].append(policy)
    if any(_request_allowed(policy, principal, request) for policy in actions["DENY"]):
        return False
    return not actions["ALLOW"] or any(_request_allowed(policy, principal, request) for policy in actions["ALLOW"])


def check_callers(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Each caller is let through to its paths, and to nothing else, whoever it says it is."""
    callers = {
        service.name: {one.name for one in model.services if service.name in one.calls} for service in model.services
    }
    identities = [*SERVICES, "gateway", "default", "migrate"]
    principals: list[str | None] = [None, "cluster.local/ns/default/sa/gateway", "cluster.local/ns/default/sa/payment"]
    principals += [f"cluster.local/ns/{NAMESPACE}/sa/{name}" for name in identities]
    paths = {path for routes in (PUBLIC_ROUTES, INTERNAL_ROUTES) for some in routes.values() for path in some}
    paths = {path.replace("*", "0190") for path in paths}
    paths |= {f"{path}/x" for path in paths} | {f"{path}x" for path in paths} | {"/", "/metrics", "/livez", "/readyz"}
    for service in SERVICES:
        target = pod_labels(manifests.service_workload(service))
        public = {path for path in paths if answers(PUBLIC_ROUTES[service], path)}
        internal = {path for path in paths if answers(INTERNAL_ROUTES[service], path)}
        if service == "payment":
            public.add("/readyz")
        for principal in principals:
            name = (principal or "").rpartition("/")[2] if f"/ns/{NAMESPACE}/" in (principal or "") else ""
            for path in sorted(paths):
                for method in ("GET", "POST"):
                    for port in ("8000", "9000"):
                        wanted = port == "8000" and (
                            (name == "gateway" and path in public)
                            or (name in callers[service] and path in internal and method == "POST")
                        )
                        request = {"method": method, "path": path, "port": port}
                        if permits(manifests, target, principal, request) != wanted:
                            verb = "cannot" if wanted else "may"
                            yield f"{principal} {verb} {method} {path} on port {port} of {service}"


def check_mutual_tls(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Every pod of the services takes mutual TLS alone, and every caller speaks it."""
    modes = [
        one["spec"].get("mtls", {}).get("mode")
        for one in manifests.kind("PeerAuthentication")
        if one["metadata"]["namespace"] == NAMESPACE and "selector" not in one["spec"]
    ]
    if modes != ["STRICT"]:
        yield f"mutual TLS of the namespace is {modes}, not STRICT"
    for one in manifests.kind("PeerAuthentication"):
        if one["spec"].get("mtls", {}).get("mode") != "STRICT" or "portLevelMtls" in one["spec"]:
            yield f"PeerAuthentication {one['metadata']['name']} takes requests without TLS"
    for rule in manifests.kind("DestinationRule"):
        if rule["spec"]["trafficPolicy"].get("tls", {}).get("mode") != "ISTIO_MUTUAL":
            yield f"DestinationRule {rule['metadata']['name']} does not speak mutual TLS"
