"""Render the chart as its users do: with helm, the generated values of a region, and a region's file of gitops/."""

import functools
import pickle
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "charts" / "bezant"
GITOPS: Final = ROOT / "gitops"
TOOLS: Final = ROOT / ".venv" / "chart-tools"
NAMESPACE: Final = "bezant"
SERVICES: Final = ("account", "audit", "fraud", "notification", "payment", "tenant", "transaction")
Manifest = dict[str, Any]
_SPLUNK: Final = ("observability.logs.splunk.enabled=true", "observability.logs.splunk.host=splunk.example")
PROFILES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "us-east-1 active": ("us-east-1", ()),
    "sa-east-1 standby": ("sa-east-1", ()),
    "sa-east-1 promoted": ("sa-east-1", ("mode=active",)),
    "us-east-1 demoted": ("us-east-1", ("mode=standby",)),
    "us-east-1 with Splunk": ("us-east-1", _SPLUNK),
    "us-east-1 without mail and sign-in": ("us-east-1", ("mail.host=", "signIn.issuer=")),
}
"""What is installed: a region, and what is set besides. A promotion is one value."""


class ToolMissing(RuntimeError):
    """A tool of `make test-chart` is not installed."""


class _Loader(yaml.CSafeLoader):
    """Refuses repeated keys, as strict readers of manifests do."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    repeated = {str(key) for key in keys if keys.count(key) > 1}
    if repeated:
        raise yaml.YAMLError(f"{', '.join(sorted(repeated))} stands twice at line {node.start_mark.line + 1}")
    return dict(yaml.CSafeLoader.construct_mapping(loader, node, deep=True))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def tool(name: str) -> str:
    """Return the path of helm, promtool or checkov. Raises `ToolMissing`."""
    path = TOOLS / ("checkov/bin/checkov" if name == "checkov" else name)
    found = str(path) if path.exists() else shutil.which(name)
    if found is None:
        raise ToolMissing(f"{name} is not in {TOOLS} nor on the PATH: run `make install-chart`")
    return found


def values_of(region: str) -> list[str]:
    """Return helm's options for the values of a region, in their order."""
    files = [CHART / "values" / region / f"{name}.yaml" for name in ("region", *SERVICES)]
    return [option for file in (*files, GITOPS / "regions" / f"{region}.yaml") for option in ("-f", str(file))]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm and return what it said, whatever its exit code."""
    return subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, check=False, timeout=60)


def template(region: str, *settings: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Render the chart for a region with `--set` settings; `options` stand last."""
    sets = [option for setting in settings for option in ("--set", setting)]
    return helm("template", "bezant", str(CHART), "-n", NAMESPACE, *values_of(region), *sets, *options)


@functools.cache
def rendered_text(profile: str) -> str:
    """Return the manifests of a profile as helm prints them."""
    region, settings = PROFILES[profile]
    result = template(region, *settings)
    assert result.returncode == 0, result.stderr
    return result.stdout


def parse(text: str) -> list[Manifest]:
    """Return the documents of a text. Raises `yaml.YAMLError` also for repeated keys."""
    return [document for document in yaml.load_all(text, Loader=_Loader) if document]


@functools.cache
def _pickled(profile: str) -> bytes:
    return pickle.dumps(parse(rendered_text(profile)))


@dataclass(frozen=True)
class Manifests:
    """The objects of an installation, to ask questions of."""

    all: list[Manifest]

    @classmethod
    def of(cls, profile: str) -> "Manifests":
        """Return the objects of a profile: fresh copies, which a test may change."""
        return cls(pickle.loads(_pickled(profile)))

    def kind(self, *kinds: str) -> Iterator[Manifest]:
        """Return the objects of these kinds."""
        return (one for one in self.all if one["kind"] in kinds)

    def get(self, kind: str, name: str, namespace: str = NAMESPACE) -> Manifest:
        """Return one object. Raises `KeyError`."""
        for one in self.kind(kind):
            if (one["metadata"]["name"], one["metadata"]["namespace"]) == (name, namespace):
                return one
        raise KeyError(f"there is no {kind} {namespace}/{name}")

    def workloads(self) -> Iterator[Manifest]:
        """Return everything that makes pods for long."""
        return self.kind("Deployment", "Rollout", "DaemonSet")

    def service_workload(self, name: str) -> Manifest:
        """Return the Deployment or Rollout of a service. Raises `KeyError`."""
        return next(
            (one for one in self.kind("Deployment", "Rollout") if one["metadata"]["name"] == name),
            None,
        ) or self.get("Deployment or Rollout", name)

    @property
    def active(self) -> bool:
        """Whether the region serves."""
        return bool(self.get("ConfigMap", "mode")["data"]["mode"] == "active")


def pod_spec(workload: Manifest) -> Manifest:
    """Return the pod's spec of a workload or Job."""
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def containers(workload: Manifest) -> list[Manifest]:
    """Return every container of a pod, those that run first included."""
    spec = pod_spec(workload)
    return [*spec.get("initContainers", []), *spec["containers"]]


def pod_labels(workload: Manifest) -> dict[str, str]:
    """Return the labels of a workload's pods."""
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def environment(container: Manifest) -> dict[str, Any]:
    """Return a container's variables; one that is taken from elsewhere is its source."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env", [])}
