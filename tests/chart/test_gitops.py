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


def _ignored() -> set[tuple[str, ...]]:
    return {
        (one["group"], one["kind"], *one.get("jqPathExpressions", []), *one.get("jsonPointers", []))
        for one in TEMPLATE["spec"]["ignoreDifferences"]
    }


def test_what_controllers_own_is_no_difference() -> None:
    assert _ignored() == {
        ("networking.istio.io", "VirtualService", ".spec.http[].route[].weight"),
        ("", "Service", '.spec.selector["rollouts-pod-template-hash"]'),
    }


def test_a_promotion_changes_the_routes_of_the_region() -> None:
    """Argo CD keeps a whole list that has an ignored part when RespectIgnoreDifferences is set: 503 for ever."""
    options = TEMPLATE["spec"]["syncPolicy"]["syncOptions"]
    assert "RespectIgnoreDifferences=true" not in options
    assert "ApplyOutOfSyncOnly=true" in options, "a sync would put weights back that a canary has moved"
    standby, promoted = (
        Manifests.of(f"sa-east-1 {mode}").get("VirtualService", "public")["spec"]["http"]
        for mode in ("standby", "promoted")
    )
    assert standby != promoted


def test_git_decides_on_replicas_where_no_autoscaler_does(model: Topology) -> None:
    assert not [one for one in _ignored() if "/spec/replicas" in one]
    for profile in ("us-east-1 active", "sa-east-1 standby", "sa-east-1 promoted"):
        manifests = Manifests.of(profile)
        scaled = {one["spec"]["scaleTargetRef"]["name"] for one in manifests.kind("HorizontalPodAutoscaler")}
        for workload in manifests.kind("Deployment", "Rollout"):
            assert ("replicas" in workload["spec"]) == (workload["metadata"]["name"] not in scaled)
    assert scaled == {one.name for one in model.services if one.autoscaling}


def test_a_promotion_leaves_nobody_at_one_replica() -> None:
    """A number that a promotion takes out of the manifest falls to the API server's default, which is 1."""
    for before, after in (("sa-east-1 standby", "sa-east-1 promoted"), ("us-east-1 active", "us-east-1 demoted")):
        with_number = [
            {one["metadata"]["name"] for one in Manifests.of(mode).kind("Deployment", "Rollout")
             if "replicas" in one["spec"]}
            for mode in (before, after)
        ]  # fmt: skip
        assert with_number[0] == with_number[1]
        least = [
            {one["metadata"]["name"]: one["spec"]["minReplicas"]
             for one in Manifests.of(mode).kind("HorizontalPodAutoscaler")}
            for mode in (before, after)
        ]  # fmt: skip
        assert least[0].keys() == least[1].keys()
        assert min(*least[0].values(), *least[1].values()) >= 3


def test_rolling_syncs_are_not_said_to_heal_what_they_do_not() -> None:
    assert APPLICATIONS["spec"]["strategy"]["type"] == "RollingSync"
    assert TEMPLATE["spec"]["syncPolicy"]["automated"] == {"prune": True}


def test_a_gateway_counts_as_ready_when_the_load_balancer_sends_to_it() -> None:
    documents = yaml.safe_load_all((GITOPS / "namespaces.yaml").read_text("utf-8"))
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in documents}
    bound = [one["metadata"]["namespace"] for one in Manifests.of("us-east-1 active").kind("TargetGroupBinding")]
    assert [labels[namespace]["elbv2.k8s.aws/pod-readiness-gate-inject"] for namespace in bound] == ["enabled"]


def test_the_namespaces_are_as_strict_as_their_pods_allow() -> None:
    documents = yaml.safe_load_all((GITOPS / "namespaces.yaml").read_text("utf-8"))
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in documents}
    assert labels["bezant"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["bezant"]["istio-injection"] == "enabled"
    assert labels["bezant-observability"]["istio-injection"] == "disabled"
    assert labels.keys() == {one["metadata"]["namespace"] for one in Manifests.of("us-east-1 active").all}
