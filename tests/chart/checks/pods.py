"""What every pod promises: no rights, probes, an orderly end, a budget, and only settings that the code knows."""

from collections.abc import Iterator
from typing import Any, Final

from bezant.foundation.settings import Settings
from bezant.services.notification.settings import NotificationSettings
from bezant.services.tenant.provisioning.aurora.settings import AuroraSettings
from bezant.services.tenant.settings import TenantSettings
from bezant.topology.model.deployment import Topology

from ..rendering import (
    NAMESPACE,
    SERVICES,
    Manifest,
    Manifests,
    containers,
    environment,
    pod_labels,
    pod_spec,
)

MAY_RUN_AS_ROOT: Final = frozenset({"fluent-bit"})
"""Reads the container runtime's log files, which belong to root; it may do nothing else."""
IMAGE_USER: Final = 10001
"""The user of the Dockerfile."""


def _all_pods(manifests: Manifests) -> Iterator[Manifest]:
    yield from manifests.workloads()
    yield from manifests.kind("Job")


def check_restricted(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Pods keep to the restricted pod security standard, with a read-only root and no token of the API server.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    for workload in _all_pods(manifests):
        name = workload["metadata"]["name"]
        spec = pod_spec(workload)
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} mounts a token of the API server"
        if any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{name} uses the node's namespaces"
        if spec.get("securityContext", {}).get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name} runs without a seccomp profile"
        for container in containers(workload):
            yield from _restricted(name, spec, container)
        for volume in spec.get("volumes", []):
            if "hostPath" in volume and name not in MAY_RUN_AS_ROOT:
                yield f"{name} mounts {volume['hostPath']['path']} of the node"


def _restricted(name: str, spec: Manifest, container: Manifest) -> Iterator[str]:
    place = f"{name}/{container['name']}"
    context = container.get("securityContext", {})
    capabilities = context.get("capabilities", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield f"{place} may gain rights"
    if context.get("readOnlyRootFilesystem") is not True:
        yield f"{place} can write to its root file system"
    if capabilities.get("drop") != ["ALL"]:
        yield f"{place} keeps capabilities"
    if name in MAY_RUN_AS_ROOT:
        if capabilities.get("add") != ["DAC_READ_SEARCH"]:
            yield f"{place} has other capabilities than reading: {capabilities.get('add')}"
        return
    if capabilities.get("add"):
        yield f"{place} adds capabilities: {capabilities['add']}"
    merged = {**spec.get("securityContext", {}), **context}
    if merged.get("runAsNonRoot") is not True or not merged.get("runAsUser"):
        yield f"{place} may run as root"


def check_settings(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Every BEZANT_ variable is a setting of the code; what a cluster must not leave to a laptop's default is set."""
    known = {
        f"{settings.model_config['env_prefix']}{name.upper()}"
        for settings in (Settings, TenantSettings, AuroraSettings, NotificationSettings)
        for name in settings.model_fields
    }
    # a default of these is an address, a path or a number of a laptop
    needed = {
        f"BEZANT_{name.upper()}"
        for name in (
            "instance_id", "zone", "version", "host", "port", "mode_file", "control_database_host", "database_sslmode",
            "database_sslrootcert", "kafka_bootstrap", "kafka_security_protocol", "valkey_nodes", "valkey_tls",
            "internal_url", "secret_store", "aws_region", "platform_secrets_dir", "pool_min_connections",
            "pool_max_connections", "process_connection_cap", "shutdown_grace_seconds", "otlp_endpoint",
        )
    }  # fmt: skip
    for workload in _all_pods(manifests):
        name = workload["metadata"]["name"]
        for container in containers(workload):
            variables = {key for key in environment(container) if key.startswith("BEZANT_")}
            for variable in sorted(variables - known):
                yield f"{name} sets {variable}, which no setting reads"
            if name in SERVICES:
                for variable in sorted(needed - variables):
                    yield f"{name} leaves {variable} to a laptop's default"
                plain = {key: value for key, value in environment(container).items() if isinstance(value, str)}
                yield from _read_by_the_code(name, plain)


def _read_by_the_code(name: str, variables: dict[str, str]) -> Iterator[str]:
    try:
        settings = Settings.model_validate(
            {key.removeprefix("BEZANT_").lower(): value for key, value in variables.items()}
        )
    except ValueError as error:
        yield f"{name}: the code refuses its settings: {error}"
        return
    if settings.database_sslmode != "verify-full" or not settings.valkey_tls:
        yield f"{name} speaks to its stores without verified TLS"
    if settings.kafka_security_protocol != "SASL_SSL":
        yield f"{name} speaks to the broker without TLS or without a credential"


def check_model_numbers(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Replicas, size, version, port and the pools' bounds are the model's."""
    for service in model.services:
        workload = manifests.service_workload(service.name)
        (container,) = pod_spec(workload)["containers"]
        variables = environment(container)
        wanted: dict[str, tuple[Any, Any]] = {
            "cpu": (container["resources"]["requests"]["cpu"], f"{service.cpu_millicores}m"),
            "memory": (container["resources"]["requests"]["memory"], f"{service.memory_mebibytes}Mi"),
            "memory limit": (container["resources"]["limits"]["memory"], f"{service.memory_mebibytes}Mi"),
            "image tag": (container["image"].rpartition(":")[2], service.version),
            "told version": (variables["BEZANT_VERSION"], service.version),
            "port": (container["ports"][0]["containerPort"], service.port),
            "entry point": (container["args"], ["serve", service.name]),
            "pool minimum": (variables["BEZANT_POOL_MIN_CONNECTIONS"], str(model.pools.min_connections)),
            "pool maximum": (variables["BEZANT_POOL_MAX_CONNECTIONS"], str(model.pools.max_connections)),
            "connection cap": (variables["BEZANT_PROCESS_CONNECTION_CAP"], str(model.pools.process_connection_cap)),
        }
        if (admission := model.admission) is not None:
            wanted |= {
                "admission target": (
                    float(variables["BEZANT_ADMISSION_TARGET_SECONDS"]), admission.target_milliseconds / 1000
                ),
                "admission queue": (
                    float(variables["BEZANT_ADMISSION_QUEUE_SECONDS"]), admission.queue_milliseconds / 1000
                ),
                "smallest admission": (variables["BEZANT_ADMISSION_SMALLEST"], str(admission.smallest)),
                "initial admission": (variables["BEZANT_ADMISSION_INITIAL"], str(admission.initial)),
                "largest admission": (variables["BEZANT_ADMISSION_LARGEST"], str(admission.largest)),
                "deadline": (variables["BEZANT_REQUEST_DEADLINE_SECONDS"], str(admission.deadline_seconds)),
            }  # fmt: skip
        replicas = workload["spec"].get("replicas")
        if service.autoscaling is not None:
            # a number here would undo the autoscaler's at each upgrade, and one that a promotion takes away falls to 1
            wanted["replicas beside an autoscaler"] = (replicas, None)
        else:
            wanted["replicas"] = (replicas, service.replicas if manifests.active else service.standby_replicas)
        for what, (is_, should) in wanted.items():
            if is_ != should:
                yield f"{service.name}: {what} is {is_!r}, the model says {should!r}"


def check_where_tenants_go(manifests: Manifests, model: Topology) -> Iterator[str]:
    """The tenant service puts tenants on the model's clusters, in the model's tiers, with what the stacks have made."""
    (container,) = pod_spec(manifests.service_workload("tenant"))["containers"]
    variables = environment(container)
    if variables["BEZANT_TENANT_PROVISIONER"] != "aurora":
        yield "all tenants are put on the control database's cluster"
        return
    tiers = {tier.tier for tier in model.primary.aurora if not tier.alternative} - {"control"}
    if set(variables["BEZANT_TENANT_TIERS"].split(",")) != tiers:
        yield f"tenants may be of the tiers {variables['BEZANT_TENANT_TIERS']}, the model has {sorted(tiers)}"
    here = next(one for one in model.regions if one.name == variables["BEZANT_AWS_REGION"])
    readers = next(one.readers_per_cluster for one in here.aurora if one.tier == "dedicated")
    there = next(one for one in model.regions if one is not here)
    wanted = {"READERS": str(readers), "SECONDARY_REGION": there.name, "ZONES": ",".join(here.availability_zones)}
    for name, value in wanted.items():
        if variables[f"BEZANT_AURORA_{name}"] != value:
            yield f"a tenant's own cluster is made with {name} {variables[f'BEZANT_AURORA_{name}']}, not {value}"
    for name in ("SUBNET_GROUP", "SECURITY_GROUP_IDS", "KMS_KEY_ID", "SECONDARY_SUBNET_GROUP", "SECONDARY_KMS_KEY_ID"):
        if not variables[f"BEZANT_AURORA_{name}"]:
            yield f"a tenant's own cluster is made without {name}"


def check_platform_numbers(manifests: Manifests, model: Topology) -> Iterator[str]:
    """The gateway, the trace collector and the log collector are as large as the model says."""
    platform = {one.name: one for one in model.platform}
    daemonsets = {one.name: one for one in model.primary.cluster.daemonsets}
    for kind, name, namespace in (
        ("Deployment", "gateway", NAMESPACE),
        ("Deployment", "collector", "bezant-observability"),
        ("DaemonSet", "fluent-bit", "bezant-observability"),
    ):
        workload = manifests.get(kind, name, namespace)
        (container,) = pod_spec(workload)["containers"]
        wanted = platform.get(name) or daemonsets[name]
        requests = {"cpu": f"{wanted.cpu_millicores}m", "memory": f"{wanted.memory_mebibytes}Mi"}
        if container["resources"]["requests"] != requests:
            yield f"{name} asks for {container['resources']['requests']}, the model says {requests}"
        if name in platform:
            one = platform[name]
            replicas = one.replicas if manifests.active else one.standby_replicas
            if workload["spec"]["replicas"] != replicas:
                yield f"{name} has {workload['spec']['replicas']} replicas, the model says {replicas}"


def check_probes_and_ending(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Three probes on the code's paths; the pause, then the process' own time, within the grace."""
    for service in model.services:
        workload = manifests.service_workload(service.name)
        (container,) = pod_spec(workload)["containers"]
        for probe, path in (("startup", "/startupz"), ("readiness", "/readyz"), ("liveness", "/livez")):
            asked = container.get(f"{probe}Probe", {}).get("httpGet", {})
            if (asked.get("path"), asked.get("port")) != (path, "http"):
                yield f"{service.name}: the {probe} probe asks {asked}, not {path}"
        yield from _ending(service.name, workload, int(environment(container)["BEZANT_SHUTDOWN_GRACE_SECONDS"]))
    gateway = manifests.get("Deployment", "gateway")
    yield from _ending("gateway", gateway, 0)
    (proxy,) = pod_spec(gateway)["containers"]
    pause = proxy.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    balancers = [one for region in model.regions for one in region.load_balancers if one.targets == "gateway"]
    delay = max(one.deregistration_delay_seconds for one in balancers)
    if delay >= pause:
        yield f"the gateway ends after {pause} s, while the load balancer still sends to it for {delay:g} s"


def check_target_group(manifests: Manifests, model: Topology) -> Iterator[str]:
    """The load balancer of the stacks gets the addresses of the gateway's pods, at the port that speaks TLS."""
    spec = manifests.get("TargetGroupBinding", "gateway")["spec"]
    service = manifests.get("Service", spec["serviceRef"]["name"])
    ports = {one["name"]: one["targetPort"] for one in service["spec"]["ports"]}
    if spec.get("targetType") != "ip" or ports.get(spec["serviceRef"]["port"]) != "https":
        yield f"the load balancer sends to {spec['serviceRef']}"
    if service["spec"]["selector"] != manifests.get("Deployment", "gateway")["spec"]["selector"]["matchLabels"]:
        yield f"the load balancer sends to the pods of {service['spec']['selector']}"
    if ":targetgroup/bezant-gateway/" not in spec["targetGroupARN"]:
        yield f"the stacks make no target group {spec['targetGroupARN']}"


def _ending(name: str, workload: Manifest, own_seconds: int) -> Iterator[str]:
    spec = pod_spec(workload)
    for container in spec["containers"]:
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pause < 5:
            yield f"{name} gets SIGTERM {pause} s after its endpoint is withdrawn; proxies need longer to know"
        if pause + own_seconds > spec["terminationGracePeriodSeconds"]:
            grace = spec["terminationGracePeriodSeconds"]
            yield f"{name} is killed before it has finished: {pause} + {own_seconds} s in {grace} s"


def check_budgets(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Each workload has one disruption budget, which keeps all but the model's number and never blocks a drain."""
    budgets = list(manifests.kind("PodDisruptionBudget"))
    for workload in manifests.kind("Deployment", "Rollout"):
        name, labels = workload["metadata"]["name"], pod_labels(workload)
        matching = [
            budget
            for budget in budgets
            if budget["metadata"]["namespace"] == workload["metadata"]["namespace"]
            and budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
        ]
        if len(matching) != 1:
            yield f"{name} has {len(matching)} disruption budgets; with two none of its pods can be evicted"
            continue
        budget = matching[0]["spec"]
        if budget.get("maxUnavailable") != 1:
            yield f"{name}: the budget lets {budget.get('maxUnavailable')} pods go at once"
        if budget.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{name}: a pod that is not ready blocks the drain of its node"


def check_selectors(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Workloads select their own pods and nobody else's; every service address has pods behind it."""
    workloads = list(manifests.workloads())
    for one in workloads:
        selector = one["spec"]["selector"]["matchLabels"]
        selected = [
            other["metadata"]["name"]
            for other in workloads
            if other["metadata"]["namespace"] == one["metadata"]["namespace"]
            and selector.items() <= pod_labels(other).items()
        ]
        if selected != [one["metadata"]["name"]]:
            yield f"{one['metadata']['name']} selects the pods of {selected}"
    for address in manifests.kind("Service"):
        name, selector = address["metadata"]["name"], address["spec"].get("selector")
        if selector is None:
            if name != "internal":
                yield f"the service {name} selects nothing"
            continue
        behind = [
            one
            for one in workloads
            if one["metadata"]["namespace"] == address["metadata"]["namespace"]
            and selector.items() <= pod_labels(one).items()
        ]
        if len(behind) != 1:
            yield f"the service {name} has the pods of {len(behind)} workloads"
            continue
        names = {port["name"] for container in containers(behind[0]) for port in container.get("ports", [])}
        for port in address["spec"]["ports"]:
            if isinstance(port["targetPort"], str) and port["targetPort"] not in names:
                yield f"the service {name} leads to the port {port['targetPort']}, which its pods do not name"


def check_identities(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Each workload has a service account of its own, which exists."""
    accounts = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in manifests.kind("ServiceAccount")}
    used = [(one["metadata"]["namespace"], pod_spec(one)["serviceAccountName"]) for one in _all_pods(manifests)]
    for account in used:
        if account not in accounts:
            yield f"there is no service account {account[1]}"
        if used.count(account) > 1:
            yield f"several workloads share the identity {account[1]}"
    for namespace, name in accounts - set(used):
        yield f"nobody uses the service account {namespace}/{name}"
    if {namespace for namespace, _ in accounts} > {NAMESPACE, "bezant-observability"}:
        yield "service accounts stand in unexpected namespaces"
