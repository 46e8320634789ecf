"""checkov's rules on every profile. What it finds and we keep is listed with the reason; nothing else may be found."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from .counts import record
from .rendering import GITOPS, PROFILES, Manifest, Manifests, tool

ACCEPTED = {
    "CKV_K8S_11": "no CPU limit: being throttled costs payments their latency while the node idles",
    "CKV_K8S_43": "images are named by their version: the registry's tags are immutable, and people read versions",
    "CKV_K8S_15": "the same: a tag never changes, and pods must start while the registry is away",
    "CKV_K8S_14": "the gateway's image is named by Istio's injector",
    "CKV_K8S_40": "the gateway runs as 1337, whom Istio's rules know; the log collector as root",
    "CKV_K8S_23": "the log collector reads files of root, with this one capability and nothing to write",
    "CKV_K8S_25": "the same",
    "CKV_K8S_35": "Fluent Bit takes Splunk's token from its environment alone; there only with Splunk",
}
ONLY_FOR = {
    "CKV_K8S_14": {"Deployment.bezant.gateway"},
    "CKV_K8S_40": {"Deployment.bezant.gateway", "DaemonSet.bezant-observability.fluent-bit"},
    "CKV_K8S_23": {"DaemonSet.bezant-observability.fluent-bit"},
    "CKV_K8S_25": {"DaemonSet.bezant-observability.fluent-bit"},
    "CKV_K8S_35": {"DaemonSet.bezant-observability.fluent-bit"},
}
"""Where these may be found; the others hold for every pod."""


def as_known(manifest: Manifest) -> Manifest:
    """Return a Rollout as the Deployment that it replaces, since checkov does not know Rollouts."""
    if manifest["kind"] != "Rollout":
        return manifest
    spec = {key: manifest["spec"][key] for key in ("selector", "template")}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": manifest["metadata"], "spec": spec}


@pytest.mark.parametrize("profile", PROFILES)
def test_checkov_finds_nothing_but_what_is_accepted(profile: str, tmp_path: Path) -> None:
    manifests = [as_known(one) for one in Manifests.of(profile).all]
    (tmp_path / "chart.yaml").write_text(yaml.safe_dump_all(manifests))
    (tmp_path / "namespaces.yaml").write_text((GITOPS / "namespaces.yaml").read_text("utf-8"))
    command = [tool("checkov"), "-d", str(tmp_path), "--framework", "kubernetes", "-o", "json", "--skip-download"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    report = json.loads(result.stdout)
    found = {(one["check_id"], one["resource"]) for one in report["results"]["failed_checks"]}
    unexpected = {
        (check, resource)
        for check, resource in found
        if check not in ACCEPTED or resource not in ONLY_FOR.get(check, {resource})
    }
    assert unexpected == set()
    # what is accepted and no longer found should be struck from the list
    expected = ACCEPTED.keys() - (set() if "Splunk" in profile else {"CKV_K8S_35"})
    assert {check for check, _ in found} == expected
    assert report["summary"]["parsing_errors"] == 0
    summary = report["summary"]
    record("checkov", profile, f"{summary['passed']} passed, {summary['failed']} accepted, 0 others")
