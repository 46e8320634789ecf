"""Updates and canaries: what replaces a version, in which steps, and that it can always begin."""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from bezant.contracts.fleet import SERVICES as FLEET
from bezant.local.gateway import _HASH_BALANCE_PERCENT, INTERNAL_ROUTES, PUBLIC_ROUTES
from bezant.topology.assumptions import Assumptions
from bezant.topology.capacity.nodes import free_node
from bezant.topology.capacity.pods import Pod, pods_of
from bezant.topology.capacity.resources import Resources
from bezant.topology.capacity.scheduler import Node, schedule
from bezant.topology.machines import node_machine
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from bezant.topology.model.workloads import AntiAffinity, Placement, TopologySpread

from ..rendering import NAMESPACE, Manifest, Manifests, pod_labels, pod_spec

_DOMAINS: Final = {"topology.kubernetes.io/zone": "zone", "kubernetes.io/hostname": "node"}
_NODE_GROUP: Final = "bezant.dev/node-group"


def placement_of(workload: Manifest) -> Placement:
    """Read the placement of a workload's pods back from its manifest."""
    spec = pod_spec(workload)
    template_hash = "rollouts-pod-template-hash" if workload["kind"] == "Rollout" else "pod-template-hash"
    affinity = spec.get("affinity", {})
    node = affinity.get("nodeAffinity", {})
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    preferred = [one["preference"] for one in node.get("preferredDuringSchedulingIgnoredDuringExecution", [])]
    groups = [
        expression["values"][0]
        for term in (*required, *preferred)
        for expression in term["matchExpressions"]
        if expression["key"] == _NODE_GROUP
    ]
    apart = affinity.get("podAntiAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", [])
    return Placement(
        node_group=groups[0] if groups else None,
        required=bool(required),
        anti_affinity=AntiAffinity(domain=_DOMAINS[apart[0]["topologyKey"]], required=True) if apart else None,
        spread=tuple(
            TopologySpread(
                domain=_DOMAINS[one["topologyKey"]],
                max_skew=one["maxSkew"],
                required=one["whenUnsatisfiable"] == "DoNotSchedule",
                per_template=template_hash in one.get("matchLabelKeys", []),
                honors_taints=one.get("nodeTaintsPolicy") == "Honor",
            )
            for one in spec.get("topologySpreadConstraints", [])
            if one["labelSelector"]["matchLabels"].items() <= pod_labels(workload).items()
        ),
    )


def _nodes(region: Region, lost_zone: str | None = None) -> list[Node]:
    return [
        Node(
            name=f"{group.name}-{zone}-{number}",
            group=group.name,
            zone=zone,
            free=free_node(region, group),
            pods_left=node_machine(group.instance_type).max_pods - len(region.cluster.daemonsets),
            lost=zone == lost_zone,
        )
        for zone in region.availability_zones
        for group in region.cluster.node_groups
        for number in range(group.nodes_per_zone)
    ]


def _pods(workload: Manifest, model: Topology, template: str, count: int) -> list[Pod]:
    (container,) = pod_spec(workload)["containers"]
    asked = container["resources"]["requests"]
    request = Resources(int(asked["cpu"].removesuffix("m")), int(asked["memory"].removesuffix("Mi")))
    if workload["metadata"]["name"] != "gateway":
        annotations = workload["spec"]["template"]["metadata"]["annotations"]
        request = request.plus(
            Resources(
                int(annotations["sidecar.istio.io/proxyCPU"].removesuffix("m")),
                int(annotations["sidecar.istio.io/proxyMemory"].removesuffix("Mi")),
            )
        )
    placement, name = placement_of(workload), workload["metadata"]["name"]
    return [Pod(name, template, number, request, placement) for number in range(count)]


def check_updates_can_begin(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Beside all pods of a usual day, every service's surge pods find a node, also while a zone is lost."""
    region = next(one for one in model.regions if one.role == "primary")
    services = {one.name: one for one in model.services}
    others = [one for one in model.platform if one.name != "gateway"]
    for lost in (None, *region.availability_zones):
        for updated in services:
            workload = manifests.service_workload(updated)
            nodes = _nodes(region, lost)
            standing = [pod for one in others for pod in pods_of(model, one, "old", one.replicas, Assumptions())]
            standing += _pods(manifests.get("Deployment", "gateway"), model, "old", 3)
            for name, one in services.items():
                standing += _pods(manifests.service_workload(name), model, "old", one.replicas)
            pending = schedule(nodes, standing)
            surge = _surge(workload)
            if surge == 0:
                yield f"{updated}: no pod may be made before one is taken away, and none may be taken away"
            pending += schedule(nodes, _pods(workload, model, "new", surge))
            where = f"with {lost} lost" if lost else "with every zone up"
            for one in pending:
                yield f"{updated} {where}: {one} stays pending"


def _surge(workload: Manifest) -> int:
    strategy = workload["spec"]["strategy"]
    rolling = strategy.get("rollingUpdate") or strategy.get("canary") or {}
    surge: int = rolling["maxSurge"]
    if rolling["maxUnavailable"] != 0:
        raise AssertionError(f"{workload['metadata']['name']} goes below its replicas in an update")
    return surge


def check_spread(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Zones are balanced by requirement, each version by itself; nodes by preference; no pod keeps another away."""
    for workload in manifests.kind("Deployment", "Rollout"):
        name = workload["metadata"]["name"]
        if workload["metadata"]["namespace"] != NAMESPACE:
            continue
        placement = placement_of(workload)
        by_zone = [one for one in placement.spread if one.domain == "zone"]
        if [(one.max_skew, one.required, one.per_template, one.honors_taints) for one in by_zone] != [
            (1, True, True, True)
        ]:
            yield f"{name} is not balanced over the zones by its own template: {by_zone}"
        if placement.anti_affinity is not None:
            yield f"{name} requires to be apart, so that an update may find no node"
        tolerated = {
            one["key"]: one["tolerationSeconds"]
            for one in pod_spec(workload)["tolerations"]
            if one["effect"] == "NoExecute"
        }
        seconds = int(model.primary.cluster.unreachable_toleration_seconds)
        if tolerated != {"node.kubernetes.io/not-ready": seconds, "node.kubernetes.io/unreachable": seconds}:
            yield f"{name} stays bound to a dead node for {tolerated}, the model says {seconds} s"


def check_autoscalers(manifests: Manifests, model: Topology) -> Iterator[str]:
    """The model's bounds, target and patience, on the service's own container; on standby one number."""
    scalers = {one["metadata"]["name"]: one["spec"] for one in manifests.kind("HorizontalPodAutoscaler")}
    wanted = {one.name for one in model.services if one.autoscaling}
    if scalers.keys() != wanted:
        yield f"autoscalers for {sorted(scalers)}, the model wants {sorted(wanted)}"
    for service in model.services:
        if service.autoscaling is None or service.name not in scalers:
            continue
        spec, scaling = scalers[service.name], service.autoscaling
        found = (
            spec["minReplicas"], spec["maxReplicas"], spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"],
            [(one["containerResource"]["name"], one["containerResource"]["container"],
              one["containerResource"]["target"]["averageUtilization"]) for one in spec["metrics"]],
        )  # fmt: skip
        bounds = (scaling.min_replicas, scaling.max_replicas)
        if not manifests.active:
            bounds = (service.standby_replicas, service.standby_replicas)
        should = (*bounds, scaling.scale_down_stabilisation_minutes * 60,
                  [("cpu", "service", scaling.cpu_target)])  # fmt: skip
        if found != should:
            yield f"{service.name}: the autoscaler is {found}, the model says {should}"
        workload = manifests.service_workload(service.name)
        target = (spec["scaleTargetRef"]["apiVersion"], spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
        if target != (workload["apiVersion"], workload["kind"], service.name):
            yield f"{service.name}: the autoscaler scales {target}"


def check_canaries(manifests: Manifests, model: Topology) -> Iterator[str]:
    """The model's steps, holds and limits; every way to the service is weighed; on standby no steps."""
    rollouts = {one["metadata"]["name"]: one for one in manifests.kind("Rollout")}
    if rollouts.keys() != {one.name for one in model.services if one.canary}:
        yield f"canaries for {sorted(rollouts)}"
    for service in model.services:
        if service.canary is None or service.name not in rollouts:
            continue
        canary = rollouts[service.name]["spec"]["strategy"]["canary"]
        if (canary["canaryService"], canary["stableService"]) != (f"{service.name}-canary", f"{service.name}-stable"):
            yield f"{service.name}: the canary goes by {canary['canaryService']} and {canary['stableService']}"
        if not manifests.active:
            if {"steps", "analysis", "trafficRouting"} & canary.keys():
                yield f"{service.name}: on standby nothing can be measured, so that a canary would wait for ever"
            continue
        yield from _steps(service.name, canary, service.canary, service.replicas)
        yield from _limits(service.name, manifests, service.canary.analysis)
        yield from _weighed(
            service.name, canary, manifests, called=any(service.name in one.calls for one in model.services)
        )


def _steps(name: str, canary: Manifest, wanted: Any, replicas: int) -> Iterator[str]:
    steps: list[Manifest] = canary.get("steps", [])
    found = [
        (
            steps[n].get("setWeight"),
            steps[n + 1].get("pause", {}).get("duration"),
            [one["templateName"] for one in steps[n + 2].get("analysis", {}).get("templates", [])],
        )
        for n in range(0, len(steps) - 2, 3)
    ]
    should = [(int(step.weight), f"{step.hold_minutes:g}m", [f"{name}-samples"]) for step in wanted.steps]
    if found != should or len(steps) != 3 * len(wanted.steps):
        yield f"{name}: the canary's steps are {found}, the model says {should}"
    for step in wanted.steps:
        # Argo Rollouts scales the canary to the weight's share, rounded up
        if math.ceil(replicas * step.weight / 100) != step.pods:
            yield f"{name}: {step.weight:g} % of {replicas} are not the model's {step.pods} pods"
    if canary.get("dynamicStableScale") is not False:
        yield f"{name}: the stable version shrinks during the canary, so that an abort finds too few pods"
    analysis = canary.get("analysis", {})
    if [one["templateName"] for one in analysis.get("templates", [])] != [f"{name}-canary"] or analysis.get(
        "startingStep"
    ) != 1:
        yield f"{name}: the canary is not judged from its first step on: {analysis}"


def _limits(name: str, manifests: Manifests, analysis: Any) -> Iterator[str]:
    metrics = {one["name"]: one for one in manifests.get("AnalysisTemplate", f"{name}-canary")["spec"]["metrics"]}
    limits = {
        "error-rate": analysis.error_rate_limit / 100,
        "p99-latency": analysis.p99_latency_limit_milliseconds,
        "success-drop": analysis.success_rate.drop / 100,
    }
    for metric, limit in limits.items():
        one = metrics.get(metric)
        if one is None:
            yield f"{name}: nothing judges the {metric}"
            continue
        if one["successCondition"] != f"len(result) == 0 || result[0] <= {limit:g}":
            yield f"{name}: {metric} passes by {one['successCondition']!r}, the model's limit is {limit:g}"
        if one.get("failureLimit") != 0:
            yield f"{name}: {metric} may fail {one.get('failureLimit')} times before the abort"
        query = one["provider"]["prometheus"]["query"]
        windows = set(re.findall(r"\[(\w+)\]", query))
        if windows != {f"{analysis.window_minutes:g}m"}:
            yield f"{name}: {metric} looks at {sorted(windows)}, the model says {analysis.window_minutes:g} minutes"
        if not query.count(f">= {analysis.minimum_samples}"):
            yield f"{name}: {metric} is judged without the minimum of {analysis.minimum_samples} samples"
    enough = manifests.get("AnalysisTemplate", f"{name}-samples")["spec"]["metrics"][0]
    if (enough["successCondition"], enough["failureCondition"]) != (
        f"result[0] >= {analysis.minimum_samples}",
        "result[0] < 0",
    ):
        yield f"{name}: too few samples do not make the canary wait"


def _weighed(name: str, canary: Manifest, manifests: Manifests, *, called: bool) -> Iterator[str]:
    routed = {
        (one["name"], route)
        for one in canary.get("trafficRouting", {}).get("istio", {}).get("virtualServices", [])
        for route in one["routes"]
    }
    leading = {
        (service["metadata"]["name"], route["name"])
        for service in manifests.kind("VirtualService")
        for route in service["spec"]["http"]
        if any(one["destination"]["host"].startswith(f"{name}-") for one in route.get("route", []))
    }
    wanted = {("public", name)} | ({("internal", name)} if called else set())
    if routed != wanted or leading != wanted:
        yield f"{name}: weights are moved on {sorted(routed)}, requests come by {sorted(leading)}"
    for service in manifests.kind("VirtualService"):
        for route in service["spec"]["http"]:
            if (service["metadata"]["name"], route["name"]) not in wanted:
                continue
            weights = {one["destination"]["host"].split(".")[0]: one["weight"] for one in route["route"]}
            if weights != {f"{name}-stable": 100, f"{name}-canary": 0}:
                yield f"{name}: without a rollout requests go to {weights}"


def check_affinity(manifests: Manifests, model: Topology) -> Iterator[str]:
    """An API key's requests go to one replica, within the bound of the laptop's gateway."""
    wanted = {"consistentHash": {"httpHeaderName": "authorization", "maglev": {}}}
    for rule in manifests.kind("DestinationRule"):
        chosen = rule["spec"]["trafficPolicy"].get("loadBalancer")
        if chosen != wanted:
            yield f"{rule['metadata']['name']}: the replica is chosen by {chosen}"
    spec = manifests.get("EnvoyFilter", "bounded-load")["spec"]
    gateway = pod_labels(manifests.get("Deployment", "gateway"))
    if not spec["workloadSelector"]["labels"].items() <= gateway.items():
        yield "the bound is not the gateway's"
    bound = {"common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": _HASH_BALANCE_PERCENT}}}
    patch = {"applyTo": "CLUSTER", "match": {"context": "GATEWAY"}, "patch": {"operation": "MERGE", "value": bound}}
    if spec["configPatches"] != [patch]:
        yield f"one replica may have more than {_HASH_BALANCE_PERCENT} % of the mean: {spec['configPatches']}"


def check_routes(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Paths lead where they do on a laptop, from outside and between services; on standby nothing does."""
    hosts = {one["metadata"]["name"]: one["spec"]["http"] for one in manifests.kind("VirtualService")}
    names = [route["name"] for route in hosts["public"]]
    if names[-1] != "rest" or names != [*sorted(names[:-1], key=lambda name: not name.endswith("-patterns")), "rest"]:
        yield f"the order of the public routes lets a wide one win: {names}"
    public = {route["name"]: route for route in hosts["public"]}
    answer = public.pop("rest")["directResponse"]["status"]
    if answer != (404 if manifests.active else 503):
        yield f"what no service answers is answered with {answer}"
    patterns = {name: {path for path in paths if "*" in path} for name, paths in PUBLIC_ROUTES.items()}
    wanted = set(FLEET) | {f"{name}-patterns" for name, paths in patterns.items() if paths}
    if public.keys() != (wanted if manifests.active else set()):
        yield f"requests from outside reach {sorted(public)}"
    for route_name, route in public.items():
        name = route_name.removesuffix("-patterns")
        if name != route_name:
            found = {one["uri"]["regex"] for one in route["match"]}
            if found != {path.replace(".", r"\.").replace("*", "[^/]+") for path in patterns[name]}:
                yield f"{name} answers the patterns {sorted(found)}, on a laptop {sorted(patterns[name])}"
        else:
            paths = set(PUBLIC_ROUTES[name]) - patterns[name] | ({"/readyz"} if name == "payment" else set())
            yield from _same_paths(name, route, paths, exact={"/readyz"})
        yield from _leads(name, route, model)
    called = {callee for one in model.services for callee in one.calls}
    internal = {one["name"]: one for one in hosts["internal"]}
    if internal.keys() != called:
        yield f"calls between services reach {sorted(internal)}, the model has {sorted(called)}"
    for name, route in internal.items():
        yield from _same_paths(name, route, set(INTERNAL_ROUTES[name]), exact=set())
        yield from _leads(name, route, model)


def _same_paths(name: str, route: Manifest, wanted: set[str], *, exact: set[str]) -> Iterator[str]:
    exactly = {one["uri"]["exact"] for one in route["match"] if "exact" in one["uri"]}
    below = {one["uri"]["prefix"].removesuffix("/") for one in route["match"] if "prefix" in one["uri"]}
    loose = [one["uri"]["prefix"] for one in route["match"] if not one["uri"].get("prefix", "/").endswith("/")]
    if exactly != wanted or below != wanted - exact or loose:
        yield f"{name} answers {sorted(exactly | below)} {loose}, on a laptop {sorted(wanted)}"


def _leads(name: str, route: Manifest, model: Topology) -> Iterator[str]:
    port = model.service(name).port
    for one in route["route"]:
        host, number = one["destination"]["host"], one["destination"]["port"]["number"]
        if host.split(".")[0] not in (name, f"{name}-stable", f"{name}-canary") or number != port:
            yield f"{name}: its route leads to {host}:{number}"
    if set(route["retries"]["retryOn"].split(",")) != {"connect-failure", "refused-stream", "reset-before-request"}:
        yield f"{name}: requests that may have been handled are sent again: {route['retries']}"
