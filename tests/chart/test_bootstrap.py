"""What a region's cluster needs before Bezant is in Git: each component pinned, of the model's size, and named alike.

The charts themselves come from repositories that nothing here reaches. So what is checked is that each has a version,
a namespace and values, that the numbers are the model's, and that names agree with what the stacks and our own chart
expect; that a chart reads these keys, its documentation says.
"""

import re
import subprocess
from typing import Any

import pytest
import yaml

from bezant.cli.topology_values import platform_files
from bezant.topology.model.deployment import Topology
from bezant.topology.platform_values import WORKLOADS

from .rendering import GITOPS, ROOT, Manifests, parse
from .test_rendering import validate_custom

APPS = GITOPS / "bootstrap" / "apps"
BY_OTHER_WAYS = {
    "gateway": "Bezant's chart",
    "collector": "Bezant's chart",
    "coredns": "an add-on",
    "metrics-server": "an add-on",
}
"""Workloads of the model's platform that no component here brings."""


def _documents() -> dict[str, Any]:
    files = [GITOPS / "bootstrap" / "root.yaml", *sorted(APPS.glob("*.yaml"))]
    return {file.stem: one for file in files for one in parse(file.read_text("utf-8"))}


PLATFORM = _documents()["platform"]
COMPONENTS: list[dict[str, str]] = PLATFORM["spec"]["generators"][0]["matrix"]["generators"][1]["list"]["elements"]


def _values(region: str, component: str) -> Any:
    return yaml.safe_load((GITOPS / "platform" / region / f"{component}.yaml").read_text("utf-8"))


@pytest.mark.parametrize("name", _documents())
def test_what_argo_cd_is_given_keeps_to_its_schemas(name: str) -> None:
    validate_custom(_documents()[name])


def test_every_workload_of_the_models_platform_is_brought_by_somebody(model: Topology) -> None:
    brought = {WORKLOADS[one["component"]] for one in COMPONENTS if one["component"] in WORKLOADS}
    assert brought | BY_OTHER_WAYS.keys() == {one.name for one in model.platform}
    assert not brought & BY_OTHER_WAYS.keys()


def test_every_component_has_one_exact_version_and_values_in_each_region(model: Topology) -> None:
    named = [one["component"] for one in COMPONENTS]
    assert len(named) == len(set(named))
    for one in COMPONENTS:
        assert re.fullmatch(r"\d+\.\d+\.\d+", one["version"]), one
        for region in model.regions:
            assert _values(region.name, one["component"])
    istio = {one["version"] for one in COMPONENTS if one["component"].startswith("isti")}
    assert len(istio) == 1, "one release of the mesh"
    committed = {path.relative_to(GITOPS / "platform").as_posix() for path in (GITOPS / "platform").rglob("*.yaml")}
    assert committed == {f"{region.name}/{name}.yaml" for region in model.regions for name in named}


def test_the_committed_values_agree_with_the_model() -> None:
    for path, text in platform_files("production").items():
        assert (GITOPS / "platform" / path).read_text("utf-8") == text, "run `make chart-values`"


def _found(values: Any, key: str) -> list[Any]:
    """Return everything that stands under a key, at any depth."""
    if isinstance(values, dict):
        here = [values[key]] if key in values else []
        return here + [one for value in values.values() for one in _found(value, key)]
    return [one for value in values for one in _found(value, key)] if isinstance(values, list) else []


@pytest.mark.parametrize("component", WORKLOADS)
def test_size_replicas_spread_and_budget_are_the_models(component: str, model: Topology) -> None:
    workload = next(one for one in model.platform if one.name == WORKLOADS[component])
    for region in model.regions:
        values = _values(region.name, component)
        replicas = workload.replicas if region.role == "primary" else workload.standby_replicas
        assert replicas in {*_found(values, "replicaCount"), *_found(values, "replicas")}
        requests = {"cpu": f"{workload.cpu_millicores}m", "memory": f"{workload.memory_mebibytes}Mi"}
        assert requests in _found(values, "requests")
        (spread,) = _found(values, "topologySpreadConstraints")
        assert [one["topologyKey"] for one in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert [one["whenUnsatisfiable"] for one in spread] == ["DoNotSchedule", "ScheduleAnyway"]
        assert workload.placement.node_group in str(_found(values, "nodeAffinity"))
        assert workload.disruption_budget is not None
        allowed = [one for one in _found(values, "maxUnavailable") if one is not None]
        # istiod's chart knows a budget of one pod that stays, which is the same for two
        own = [one["enabled"] for one in _found(values, "defaultPodDisruptionBudget")]
        assert allowed == [workload.disruption_budget.max_unavailable] or (own == [True] and replicas == 2)


def test_names_are_those_that_the_stacks_and_our_chart_expect(model: Topology) -> None:
    placed = {one["component"]: one["namespace"] for one in COMPONENTS}
    accounts = {
        ("external-secrets", "external-secrets"), ("kube-system", "aws-load-balancer-controller"),
        ("kube-system", "cluster-autoscaler"),
    }  # fmt: skip
    region = model.primary.name
    found = {
        (placed["external-secrets"], _values(region, "external-secrets")["serviceAccount"]["name"]),
        (
            placed["aws-load-balancer-controller"],
            _values(region, "aws-load-balancer-controller")["serviceAccount"]["name"],
        ),
        (placed["cluster-autoscaler"], _values(region, "cluster-autoscaler")["rbac"]["serviceAccount"]["name"]),
    }
    assert found == accounts
    ours = yaml.safe_load((ROOT / "charts/bezant/values.yaml").read_text("utf-8"))
    assert placed["istiod"] == ours["mesh"]["systemNamespace"]
    assert placed["prometheus"] == ours["observability"]["prometheus"]["namespace"]
    # the operator takes up what carries the label of its release, whose name is the component's
    assert ours["observability"]["prometheus"]["selectorLabels"] == {"release": "prometheus"}
    assert PLATFORM["spec"]["template"]["spec"]["sources"][0]["helm"]["releaseName"] == "{{ .component }}"
    assert _values(region, "aws-load-balancer-controller")["vpcTags"] == {"Name": model.primary.network.vpc_name}
    assert _values(region, "cluster-autoscaler")["autoDiscovery"]["clusterName"] == model.primary.cluster.name


def test_the_mesh_is_what_our_pods_rely_on(model: Topology) -> None:
    for region in model.regions:
        istiod = _values(region.name, "istiod")
        assert istiod["env"]["ENABLE_NATIVE_SIDECARS"] == "true"
        assert istiod["cni"]["enabled"] is True
        assert istiod["autoscaleEnabled"] is False, "the model's replicas are the number"


def test_what_argo_cd_may_fetch_is_what_it_is_told_to() -> None:
    documents = _documents()
    allowed = set(documents["project"]["spec"]["sourceRepos"])
    asked = {one["repository"] for one in COMPONENTS}
    asked |= {one["repoURL"] for one in documents["argo-cd"]["spec"]["sources"]}
    assert asked | {documents["root"]["spec"]["source"]["repoURL"]} == allowed


def test_progressive_syncs_are_enabled_and_steps_exist_for_every_component() -> None:
    argo = yaml.safe_load((GITOPS / "bootstrap" / "argo-cd.yaml").read_text("utf-8"))
    assert argo["configs"]["params"]["applicationsetcontroller.enable.progressive.syncs"] is True
    steps = [one["matchExpressions"][0]["values"] for one in PLATFORM["spec"]["strategy"]["rollingSync"]["steps"]]
    assert {value for step in steps for value in step} == {one["step"] for one in COMPONENTS}
    version = _documents()["argo-cd"]["spec"]["sources"][0]["targetRevision"]
    assert f"argo-cd {version}" in (GITOPS / "bootstrap" / "argo-cd.yaml").read_text("utf-8")
    assert f"--version {version}" in (ROOT / "docs/operations/install.md").read_text("utf-8")


def test_the_runbook_pushes_every_tag_that_is_run() -> None:
    """The runbook's line is run here: the tags that it finds are those of the rendered pods and of the migrations."""
    text = (ROOT / "docs/operations/install.md").read_text("utf-8")
    (line,) = re.findall(r"^TAGS=\$\((.+)\)$", text, re.MULTILINE)
    found = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    run = {
        container["image"].rpartition(":")[2]
        for profile in ("us-east-1 active", "sa-east-1 standby")
        for one in Manifests.of(profile).kind("Deployment", "Rollout", "Job")
        for container in [*one["spec"]["template"]["spec"].get("initContainers", []),
                          *one["spec"]["template"]["spec"]["containers"]]
        if "/bezant:" in container["image"]
    }  # fmt: skip
    assert set(found.stdout.split()) == run
    assert len(run) > 1
