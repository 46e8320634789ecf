"""Every secret that the code reads is there, in the shape it reads, and no service has another's.

What the code reads is found in its syntax trees: calls that name a platform secret, by the package they stand in.
"""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import bezant
from bezant.foundation.secrets import (
    control_secret_name,
    open_secret_store,
    platform_secret_name,
    signing_secret_name,
    verifying_secret_name,
)
from bezant.foundation.settings import Settings
from bezant.topology.model.deployment import Topology

from ..rendering import SERVICES, Manifest, Manifests, containers, environment, pod_spec

SOURCE: Final = Path(bezant.__file__).parent
READ_BY_ALL: Final = ("foundation/service.py", "foundation/control/database.py", "foundation/valkey.py",
                      "foundation/events/kafka.py")  # fmt: skip
"""Modules of the foundation that every process runs."""
WRITTEN_BY_MIGRATE: Final = ("foundation/control/bootstrap.py", "foundation/control/cluster.py")
KEYS: Final = {
    "kafka": {"user", "password"},
    "valkey": {"user", "password"},
}
"""Keys that the code reads of secrets which AWS makes with keys of its own."""


def names_in(path: Path, service: str) -> set[str]:
    """Return the platform secrets that a module names, as the given service."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        match node.func.id:
            case "platform_secret_name":
                if not (node.args and isinstance(node.args[0], ast.Constant)):
                    raise AssertionError(f"{path}:{node.lineno} makes up the name of a secret")
                found.add(platform_secret_name(str(node.args[0].value)))
            case "control_secret_name":
                found.add(control_secret_name(service))
            case "signing_secret_name":
                found.add(signing_secret_name(service))
            case "verifying_secret_name":
                found.add(verifying_secret_name())
    return found


SWITCHED_ON_BY: Final = {
    "bezant/platform/smtp": "BEZANT_NOTIFICATION_SMTP_HOST",
    "bezant/platform/oidc-client": "BEZANT_TENANT_OIDC_ISSUER",
}
"""Secrets that are read only where this is set; without it the code does without."""


def read_by(service: str) -> set[str]:
    """Return the names of the platform secrets that a process of the service reads."""
    paths = [SOURCE / path for path in READ_BY_ALL] + sorted((SOURCE / "services" / service).rglob("*.py"))
    return {name for path in paths for name in names_in(path, service)}


def check_every_module_is_looked_at(manifests: Manifests, model: Topology) -> Iterator[str]:
    """No other module of the foundation names a platform secret."""
    looked_at = {SOURCE / path for path in (*READ_BY_ALL, *WRITTEN_BY_MIGRATE)}
    looked_at |= {SOURCE / "foundation/secrets/names.py", SOURCE / "foundation/standby.py"}
    for path in sorted((SOURCE / "foundation").rglob("*.py")):
        if path not in looked_at and names_in(path, "payment"):
            yield f"{path.relative_to(SOURCE)} reads platform secrets, and this check does not know"


def check_provided(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Each service finds what it reads in its mounts, and mounts nothing else."""
    sources = {one["spec"]["target"]["name"]: one for one in manifests.kind("ExternalSecret")}
    for service in SERVICES:
        workload = manifests.service_workload(service)
        mounted = _mounted(workload)
        (container,) = pod_spec(workload)["containers"]
        variables = environment(container)
        wanted = {name for name in read_by(service) if SWITCHED_ON_BY.get(name, "BEZANT_PORT") in variables}
        for name in sorted(wanted - mounted.keys()):
            yield f"{service} reads {name}, which it does not mount"
        for name in sorted(mounted.keys() - wanted):
            yield f"{service} mounts {name}, which it does not read"
        for name, secret in mounted.items():
            if secret not in sources:
                yield f"{service} mounts the secret {secret}, which nothing fetches"
            else:
                yield from _same_secret(name, sources[secret])
        yield from _readable_by_the_store(service, workload, wanted)


def _mounted(workload: Manifest) -> dict[str, str]:
    """Return the Kubernetes Secret behind each platform secret that a workload's service sees."""
    spec = pod_spec(workload)
    (container,) = spec["containers"]
    directory = environment(container).get("BEZANT_PLATFORM_SECRETS_DIR")
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    return {
        mount["mountPath"].rpartition("/")[2].replace("__", "/"): volumes[mount["name"]]["secret"]["secretName"]
        for mount in container["volumeMounts"]
        if mount["mountPath"].rpartition("/")[0] == directory
    }


def _same_secret(name: str, source: Manifest) -> Iterator[str]:
    short = name.removeprefix("bezant/platform/")
    spec = source["spec"]
    if short in KEYS:
        keys = {entry["secretKey"] for entry in spec.get("data", [])}
        if keys != KEYS[short]:
            yield f"{name} has the keys {sorted(keys)}, the code reads {sorted(KEYS[short])}"
        if short == "kafka" and not all(entry["remoteRef"]["key"].startswith("AmazonMSK_") for entry in spec["data"]):
            yield f"{name} comes from a secret that MSK does not accept: its name must begin with AmazonMSK_"
    elif [entry["extract"]["key"] for entry in spec.get("dataFrom", [])] != [name]:
        yield f"{name} is made from {spec.get('dataFrom')}"
    if spec["secretStoreRef"]["kind"] != "SecretStore":
        yield f"{name} comes from a store that other namespaces share"


def _readable_by_the_store(service: str, workload: Manifest, wanted: set[str]) -> Iterator[str]:
    """Lay the mounts out as the kubelet does, and let the code's own store read them."""
    with TemporaryDirectory() as directory:
        for name in _mounted(workload):
            version = Path(directory) / name.replace("/", "__") / "..2026"
            version.mkdir(parents=True)
            (version / "user").write_text(name)
            (version.parent / "..data").symlink_to(version.name)
            (version.parent / "user").symlink_to("..data/user")
        settings = Settings(secret_store="kubernetes", secret_store_dir="/nowhere", platform_secrets_dir=directory)
        store = open_secret_store(settings)
        for name in sorted(wanted & _mounted(workload).keys()):
            if asyncio.run(store.read(name)) != {"user": name}:
                yield f"{service} cannot read {name} from its mounts"


def check_number_of_secrets(manifests: Manifests, model: Topology) -> Iterator[str]:
    """As many platform secrets as the model counts, for the bill and the quotas."""
    fetched = [one for one in manifests.kind("ExternalSecret") if one["metadata"]["name"].startswith("platform-")]
    (tenant,) = pod_spec(manifests.service_workload("tenant"))["containers"]
    optional = 0 if "BEZANT_TENANT_OIDC_ISSUER" in environment(tenant) else len(SWITCHED_ON_BY)
    if len(fetched) + optional != model.secrets.platform_secrets:
        yield f"{len(fetched)} platform secrets, the model counts {model.secrets.platform_secrets}"


def check_nothing_secret_in_plain(manifests: Manifests, model: Topology) -> Iterator[str]:
    """No Secret is written by the chart, and no variable of a service comes from one."""
    for secret in manifests.kind("Secret"):
        yield f"the chart writes the secret {secret['metadata']['name']} itself"
    for workload in (*manifests.workloads(), *manifests.kind("Job")):
        for container in containers(workload):
            for name, value in environment(container).items():
                if isinstance(value, dict) and "secretKeyRef" in value and name != "SPLUNK_TOKEN":
                    yield f"{workload['metadata']['name']} has the secret {name} in its environment"


def check_migrations(manifests: Manifests, model: Topology) -> Iterator[str]:
    """Where the region serves, every version's migrations run before anything else; on standby none do."""
    jobs = list(manifests.kind("Job"))
    if not manifests.active:
        if jobs:
            yield "migrations run on standby, whose databases cannot be written"
        return
    (job,) = jobs
    tags = {container["image"].rpartition(":")[2] for container in containers(job)}
    if tags != {service.version for service in model.services}:
        yield f"migrations of {sorted(tags)} run, but the services are of other versions"
    for container in containers(job):
        if container["args"] != ["migrate", "--administrator", "/var/run/bezant/administrator"]:
            yield f"the migrations run {container['args']}"
    before = [one for one in manifests.all if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    weights = {
        (one["kind"], one["metadata"]["name"]): int(one["metadata"]["annotations"]["helm.sh/hook-weight"])
        for one in before
    }
    needed = {("ServiceAccount", "migrate"), ("NetworkPolicy", "migrate"), ("SecretStore", "aws-migrate"),
              ("ExternalSecret", "migrate-administrator"), ("ExternalSecret", "migrate-kafka")}  # fmt: skip
    for one in needed:
        if weights.get(one, 1) >= weights[("Job", "migrate")]:
            yield f"{one[0]} {one[1]} is not there when the migrations run"
    for one in before:
        if one["metadata"]["annotations"]["helm.sh/hook"] != "pre-install,pre-upgrade":
            yield f"{one['kind']} {one['metadata']['name']} is no hook before the release"
