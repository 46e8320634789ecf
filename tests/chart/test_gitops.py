"""Argo CD installs what helm installs: the same files in the same order, in both regions, one of them on standby."""

import re
from typing import Any

import pytest
import yaml

from bezant.topology.model.deployment import Topology

from .rendering import CHART, GITOPS, ROOT, SERVICES, Manifests, values_of

APPLICATIONS: dict[str, Any] = yaml.safe_load((GITOPS / "applicationset.yaml").read_text("utf-8"))
PROJECT: dict[str, Any] = yaml.safe_load((GITOPS / "project.yaml").read_text("utf-8"))
REGIONS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted((GITOPS / "regions").glob("*.yaml"))}
TEMPLATE = APPLICATIONS["spec"]["template"]


def _filled(text: str, region: str) -> str:
    """Fill in the few expressions that the template uses."""
    values = {
        'trimSuffix ".yaml" .path.filename': region,
        ".path.path": "gitops/regions",
        ".path.filename": f"{region}.yaml",
        ".mode": REGIONS[region]["mode"],
        ".argocd.role": REGIONS[region]["argocd"]["role"],
        ".argocd.server": REGIONS[region]["argocd"]["server"],
    }
    return re.sub(r"\{\{ (.+?) \}\}", lambda found: values[found[1]], text)


def test_there_is_a_file_for_each_region_of_the_model(model: Topology) -> None:
    assert REGIONS.keys() == {region.name for region in model.regions}
    for region in model.regions:
        assert REGIONS[region.name]["argocd"]["role"] == region.role
    modes = {region.role: REGIONS[region.name]["mode"] for region in model.regions}
    assert modes == {"primary": "active", "secondary": "standby"}


@pytest.mark.parametrize("region", REGIONS)
def test_the_application_takes_the_same_values_as_helm(region: str) -> None:
    files = [_filled(name, region) for name in TEMPLATE["spec"]["source"]["helm"]["valueFiles"]]
    paths = [str(ROOT / name.removeprefix("/")) if name.startswith("/") else str(CHART / name) for name in files]
    used = [option for option in values_of(region) if option != "-f"]
    assert paths[0] == used[0]
    assert sorted(paths[1:-1]) == sorted(used[1:-1])
    assert paths[-1] == used[-1]
    assert len(paths) == len(SERVICES) + 2


@pytest.mark.parametrize("region", REGIONS)
def test_the_application_goes_where_the_project_allows(region: str) -> None:
    destination = {name: _filled(value, region) for name, value in TEMPLATE["spec"]["destination"].items()}
    assert destination in PROJECT["spec"]["destinations"]
    assert TEMPLATE["spec"]["source"]["repoURL"] in PROJECT["spec"]["sourceRepos"]
    assert TEMPLATE["spec"]["project"] == PROJECT["metadata"]["name"]
    namespaces = {one["metadata"]["namespace"] for one in Manifests.of("us-east-1 active").all}
    allowed = {one["namespace"] for one in PROJECT["spec"]["destinations"] if one["server"] == destination["server"]}
    assert namespaces <= allowed


def test_the_region_on_standby_is_updated_first() -> None:
    steps = APPLICATIONS["spec"]["strategy"]["rollingSync"]["steps"]
    labels = TEMPLATE["metadata"]["labels"]
    assert [step["matchExpressions"][0]["values"] for step in steps] == [["standby"], ["active"]]
    assert {step["matchExpressions"][0]["key"] for step in steps} <= labels.keys()


def test_secrets_come_first_and_the_load_balancer_last() -> None:
    manifests = Manifests.of("us-east-1 active")

    def wave(kind: str, name: str) -> int:
        annotations = manifests.get(kind, name)["metadata"].get("annotations", {})
        return int(annotations.get("argocd.argoproj.io/sync-wave", "0"))

    order = [
        wave("SecretStore", "aws"), wave("ExternalSecret", "platform-kafka"), wave("NetworkPolicy", "default-deny"),
        wave("Deployment", "transaction"), wave("Rollout", "payment"), wave("Deployment", "gateway"),
        wave("TargetGroupBinding", "gateway"),
    ]  # fmt: skip
    assert order == sorted(set(order))
    assert wave("Rollout", "fraud") < wave("Rollout", "payment")
    assert wave("Deployment", "transaction") < wave("Deployment", "account")


def test_what_controllers_own_is_not_put_back() -> None:
    ignored = {
        (one["group"], one["kind"], *one.get("jqPathExpressions", []), *one.get("jsonPointers", []))
        for one in TEMPLATE["spec"]["ignoreDifferences"]
    }
    assert ("networking.istio.io", "VirtualService", ".spec.http[].route[].weight") in ignored
    assert ("", "Service", '.spec.selector["rollouts-pod-template-hash"]') in ignored
    assert ("argoproj.io", "Rollout", "/spec/replicas") in ignored
    assert ("apps", "Deployment", "/spec/replicas") in ignored
    assert "RespectIgnoreDifferences=true" in TEMPLATE["spec"]["syncPolicy"]["syncOptions"]


def test_the_namespaces_are_as_strict_as_their_pods_allow() -> None:
    documents = yaml.safe_load_all((GITOPS / "namespaces.yaml").read_text("utf-8"))
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in documents}
    assert labels["bezant"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["bezant"]["istio-injection"] == "enabled"
    assert labels["bezant-observability"]["istio-injection"] == "disabled"
    assert labels.keys() == {one["metadata"]["namespace"] for one in Manifests.of("us-east-1 active").all}
