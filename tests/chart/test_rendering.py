"""Helm takes the chart and every profile, and the manifests are what their schemas allow."""

import functools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from .counts import record
from .rendering import (
    CHART,
    GITOPS,
    NAMESPACE,
    PROFILES,
    Manifest,
    Manifests,
    environment,
    helm,
    parse,
    pod_spec,
    template,
    values_of,
)

SCHEMAS = Path(__file__).parent / "schemas"
WITHOUT_SCHEMA = {"EnvoyFilter"}
"""Its patches have none; what it says word for word is in `check_affinity`."""
KUBERNETES = "1.35"
"""Of the clusters (topology model), as near as the schemas have it."""


@pytest.mark.parametrize("profile", PROFILES)
def test_helm_lints_the_chart_strictly(profile: str) -> None:
    region, settings = PROFILES[profile]
    sets = [option for setting in settings for option in ("--set", setting)]
    result = helm("lint", "--strict", str(CHART), "-n", NAMESPACE, *values_of(region), *sets)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 chart(s) linted, 0 chart(s) failed" in result.stdout
    record("helm lint --strict", profile, "0 failed")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_object_has_a_name_a_namespace_and_no_twin(profile: str) -> None:
    objects = [
        (one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]) for one in Manifests.of(profile).all
    ]
    assert [one for one, times in Counter(objects).items() if times > 1] == []
    kinds = Counter(kind for kind, _, _ in objects)
    record("helm template", profile, f"{len(objects)} objects of {len(kinds)} kinds")


def test_a_promotion_is_one_value_and_makes_no_new_pod() -> None:
    standby, promoted = Manifests.of("sa-east-1 standby"), Manifests.of("sa-east-1 promoted")
    for one in standby.workloads():
        other = next(
            found
            for found in promoted.workloads()
            if (found["kind"], found["metadata"]["name"]) == (one["kind"], one["metadata"]["name"])
        )
        assert one["spec"]["template"] == other["spec"]["template"], one["metadata"]["name"]
    assert not standby.active
    assert promoted.active


def validate_custom(manifest: Manifest) -> None:
    """Validate a custom resource. Raises `jsonschema.ValidationError`, and `FileNotFoundError` without its schema."""
    _validator(manifest["apiVersion"], manifest["kind"]).validate(manifest)


@functools.cache
def _validator(api_version: str, kind: str) -> jsonschema.protocols.Validator:
    group, _, version = api_version.partition("/")
    path = SCHEMAS / group / f"{kind.lower()}_{version}.json"
    return jsonschema.Draft7Validator(json.loads(path.read_text("utf-8")))


def _is_core(manifest: Manifest) -> bool:
    group = manifest["apiVersion"].partition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


@pytest.mark.parametrize("profile", PROFILES)
def test_core_and_custom_objects_keep_to_their_schemas(profile: str) -> None:
    core, custom = 0, 0
    for one in Manifests.of(profile).all:
        if _is_core(one):
            kubernetes_validate.validate(one, KUBERNETES, strict=True)
            core += 1
        elif one["kind"] not in WITHOUT_SCHEMA:
            validate_custom(one)
            custom += 1
    record("kubernetes-validate", profile, f"{core} objects")
    record("CRD schemas", profile, f"{custom} objects")


@pytest.mark.parametrize("path", ["project.yaml", "applicationset.yaml"])
def test_gitops_objects_keep_to_their_schemas(path: str) -> None:
    for one in parse((GITOPS / path).read_text("utf-8")):
        validate_custom(one)


def test_the_namespaces_keep_to_their_schema() -> None:
    for one in parse((GITOPS / "namespaces.yaml").read_text("utf-8")):
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


def _changed(manifest: Manifest, path: str, value: Any) -> Manifest:
    *parents, last = path.split(".")
    here: Any = manifest
    for step in parents:
        here = here[int(step)] if isinstance(here, list) else here[step]
    here[last] = value
    return manifest


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("Rollout", "payment", "spec.strategy.canary.steps.0.setWeight", "ten"),
        ("Rollout", "payment", "spec.strategy.canary.stepps", []),
        ("VirtualService", "public", "spec.http.0.timeout", 15),
        ("AuthorizationPolicy", "payment", "spec.action", "PERMIT"),
        ("ExternalSecret", "platform-kafka", "spec.target.name", 5),
        ("ServiceMonitor", "bezant", "spec.endpoint", []),
    ],
)
def test_the_custom_schemas_refuse_what_is_wrong(kind: str, name: str, path: str, value: Any) -> None:
    manifest = Manifests.of("us-east-1 active").get(kind, name)
    validate_custom(manifest)
    with pytest.raises(jsonschema.ValidationError):
        validate_custom(_changed(manifest, path, value))


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("NetworkPolicy", "payment", "spec.ingresss", []),
        ("PodDisruptionBudget", "payment", "spec.maxUnavailable", True),
        ("Service", "payment", "spec.ports.0.port", "8000x"),
    ],
)
def test_the_core_schemas_refuse_what_is_wrong(kind: str, name: str, path: str, value: Any) -> None:
    manifest = _changed(Manifests.of("us-east-1 active").get(kind, name), path, value)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


BAD_VALUES = {
    "services.payment.replicas=0": "'/services/payment/replicas': minimum: got 0, want 1",
    "services.payment.replicas=three": "'/services/payment/replicas': got string, want integer",
    "services.payment.canary.steps[0].weight=140": "canary/steps/0/weight': maximum: got 140, want 100",
    "services.payment.canary.steps[1].weight=5": "services.payment.canary.steps[1].weight: 5 % is not above the 10 %",
    "services.payment.canary.steps[3].weight=90": "services.payment.canary.steps: the last weight is 90 %",
    "services.payment.canary.steps[0].pods=2": "canary.steps[0].pods: 2, but 10 % of 6 replicas are 1 pods",
    "services.payment.canary.steps[0].holdMinutes=5": "services.payment.canary.steps[0].holdMinutes: 5 is shorter than",
    "services.payment.canary.analysis.errorRateLimitPercent=101": "errorRateLimitPercent': maximum: got 101, want 100",
    "services.paymint.replicas=3": "'/services': additional properties 'paymint' not allowed",
    "services.payment.calls[0]=fruad": "'/services/payment/calls/0': value must be one of",
    "services.payment.calls[0]=audit": "services.fraud.callers: services.payment.calls does not name fraud",
    "services.audit.callers[0]=payment": "services.audit.callers: services.payment.calls does not name audit",
    "services.payment.autoscaling.minReplicas=40": "autoscaling.minReplicas: 40 is above maxReplicas, 30",
    "services.payment.autoscaling.minReplicas=8": "services.payment.replicas: 6 is outside of autoscaling, 8 to 30",
    "services.payment.autoscaling.cpuTarget=0": "'/services/payment/autoscaling/cpuTarget': minimum: got 0, want 1",
    "services.payment.termination.graceSeconds=30": "services.payment.termination.graceSeconds: 30 is shorter than",
    "services.payment.rollout.maxSurge=0": "services.payment.rollout.maxSurge: 0 beside maxUnavailable 0",
    "services.payment.disruptionBudget.maxUnavailable=6": "services.payment.disruptionBudget.maxUnavailable: 6 of 6",
    "services.payment.cpu=0.5": "'/services/payment/cpu'",
    "services.payment.version=latest": "'/services/payment/version'",
    "services.payment.port=80": "'/services/payment/port': minimum: got 80, want 1,024",
    "services.payment.probes.liveness.path=livez": "'/services/payment/probes/liveness/path'",
    "services.payment.memoryy=1Mi": "'/services/payment': additional properties 'memoryy' not allowed",
    "gateway.termination.preStopSeconds=30": "preStopSeconds: 30 is not above deregistrationDelaySeconds",
    "mode=passive": "'/mode': value must be one of 'active', 'standby'",
    "region.name=virginia": "'/region/name'",
    "region.storeCidrs[0]=everything": "'/region/storeCidrs/0'",
    "installation.endpoints.controlDatabase=": "installation.endpoints.controlDatabase: not given",
    "installation.endpoints.kafkaBootstrap=broker": "'/installation/endpoints/kafkaBootstrap'",
    "installation.secrets.kafka=bezant/platform/kafka": "'/installation/secrets/kafka'",
    "installation.registry=": "installation.registry: not given",
    "installation.targetGroupArn=": "installation.targetGroupArn: not given",
    "installation.targetGroupArn=gateway": "'/installation/targetGroupArn'",
    "mesh.healthService=ledger": "'/mesh/healthService'",
    "mesh.upstreamIdleSeconds=75": "'/mesh/upstreamIdleSeconds': maximum: got 75, want 74",
    "observability.traceSampleRatio=2": "'/observability/traceSampleRatio': maximum: got 2, want 1",
    "observability.logs.splunk.enabled=true": "observability.logs.splunk.host: not given, but Splunk is enabled",
    "mail.from=": "mail.from: not given, but there is a mail server",
    "mail.security=ssl": "'/mail/security': value must be one of",
    "signIn.issuer=http://sign-in.example": "'/signIn/issuer'",
    "tenantDatabases.provisioner=rds": "'/tenantDatabases/provisioner': value must be one of",
    "tenantDatabases.provisioner=postgres": "tenantDatabases.tiers: the tier dedicated needs the provisioner aurora",
    "tenantDatabases.secondary.zone=": "tenantDatabases.secondary: a follower needs a zone and a key",
    "tenantDatabases.kmsKeyId=": "tenantDatabases.kmsKeyId: not given",
    "tenantDatabases.subnetGroup=": "tenantDatabases.subnetGroup: not given",
    "tenantDatabases.secondary.securityGroupIds=": "tenantDatabases.secondary.securityGroupIds: not given",
    "tenantDatabases.instanceClass=large": "'/tenantDatabases/instanceClass'",
    "logLevel=LOUD": "'/logLevel': value must be one of",
}
"""What is set, and the part of helm's refusal that names it."""


@pytest.mark.parametrize("setting", BAD_VALUES)
def test_bad_values_are_refused_by_name(setting: str) -> None:
    result = template("us-east-1", setting)
    assert result.returncode != 0
    assert BAD_VALUES[setting] in result.stderr
    record("helm", "bad values refused by name", str(len(BAD_VALUES) + 4))


def test_one_server_for_all_databases_has_to_be_asked_for() -> None:
    result = template("us-east-1", "tenantDatabases.provisioner=postgres", "tenantDatabases.tiers=shared")
    assert result.returncode == 0
    (container,) = pod_spec(Manifests(parse(result.stdout)).service_workload("tenant"))["containers"]
    assert not [name for name in environment(container) if name.startswith("BEZANT_AURORA_")]


def test_a_required_zone_anti_affinity_is_refused() -> None:
    place = "services.payment.placement.antiAffinity"
    result = template("us-east-1", f"{place}.topologyKey=topology.kubernetes.io/zone", f"{place}.required=true")
    assert f"{place}.required: one pod a zone leaves the surge pod of every update without a node" in result.stderr


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "region: not given; add the values of a region"),
        (("region.yaml",), "services.account: not given; add -f charts/bezant/values/us-east-1/account.yaml"),
        (("account.yaml", "payment.yaml"), "region: not given"),
    ],
)
def test_a_missing_region_and_a_missing_service_are_named(files: tuple[str, ...], message: str) -> None:
    options = [option for name in files for option in ("-f", str(CHART / "values" / "us-east-1" / name))]
    result = helm("template", "bezant", str(CHART), *options)
    assert result.returncode != 0
    assert message in result.stderr


def test_the_values_of_two_regions_do_not_mix_unseen() -> None:
    """The later region wins as a whole: its addresses are those of the policies."""
    files = ("-f", str(CHART / "values" / "sa-east-1" / "region.yaml"))
    manifests = Manifests(parse(template("us-east-1", options=files).stdout))
    blocks = {
        peer["ipBlock"]["cidr"]
        for rule in manifests.get("NetworkPolicy", "payment")["spec"]["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    }
    assert {block for block in blocks if block.startswith("10.")} == {
        f"10.1.{third}.0/{size}" for third, size in ((20, 24), (21, 24), (22, 24), (32, 20), (48, 20), (64, 20))
    }
