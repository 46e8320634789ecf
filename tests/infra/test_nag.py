"""cdk-nag over every construct of both regions: AWS's own solutions, NIST 800-53 revision 5, and PCI DSS 3.2.1.

The last one is the newest that the tool has; docs/operations/pci.md maps 4.0.1 by hand.
"""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks, PCIDSS321Checks
from infrastructure.accepted import PACKS
from infrastructure.app import build

from bezant.topology.model.deployment import Topology

from .checks.templates import COUNTS


def _reports(app: cdk.App, directory: Path) -> dict[str, dict[str, Any]]:
    """Synthesize under the packs and return what each says; `synth` raises where one of them objects."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app), NIST80053R5Checks(app), PCIDSS321Checks(app))
    try:
        app.synth()
    except Exception as error:
        if "ValidationFailed" not in str(error):
            raise
    document = json.loads((directory / "validation-report.json").read_text("utf-8"))
    return {report["pluginName"]: report for report in document["pluginReports"]}


def test_no_pack_objects_to_anything_that_is_not_accepted_beside_it(model: Topology, tmp_path: Path) -> None:
    directory = tmp_path / "cdk.out"
    reports = _reports(build(model, outdir=str(directory)), directory)
    assert set(PACKS) <= reports.keys()
    found = {
        name: [(one["ruleName"], part["constructPath"]) for one in report["violations"]
               for part in one["violatingConstructs"]]
        for name, report in reports.items()
    }  # fmt: skip
    assert {name: objections for name, objections in found.items() if objections} == {}
    accepted = {name: sum(len(one["violatingConstructs"]) for one in reports[name]["suppressedViolations"])
                for name in PACKS}  # fmt: skip
    assert all(accepted.values()), "a pack that finds nothing to accept has not looked"
    said = ", ".join(f"{name} {count}" for name, count in accepted.items())
    COUNTS["cdk-nag"] = f"{len(PACKS)} packs, accepted with a reason: {said}; 0 others"


WORSE: tuple[tuple[str, str, str, Any, str], ...] = (
    ("databases", "bezant-control/Cluster", "storage_encrypted", False, "NIST.800.53.R5-RDSStorageEncrypted"),
    ("databases", "bezant-control/Cluster", "deletion_protection", False, "AwsSolutions-RDS10"),
    ("edge", "Balancer", "load_balancer_attributes", [], "PCI.DSS.321-ELBLoggingEnabled"),
    ("topic", "Topic", "kms_master_key_id", None, "NIST.800.53.R5-SNSEncryptedKMS"),
    ("stores", "Cache", "transit_encryption_enabled", False, "AwsSolutions-AEC3"),
)
"""A stack's construct, its property, a worse value, and the rule that must object."""


def test_the_packs_object_to_changes_for_the_worse(model: Topology, tmp_path: Path) -> None:
    directory = tmp_path / "cdk.out"
    app = build(model, outdir=str(directory))
    for stack, construct, name, value, _ in WORSE:
        here = app.node.find_child(f"Bezant-{model.primary.name}-{stack}")
        for part in construct.split("/"):
            here = here.node.find_child(part)
        setattr(here, name, value)
    reports = _reports(app, directory).values()
    said = {one["ruleName"].partition("[")[0] for report in reports for one in report["violations"]}
    assert {rule for *_, rule in WORSE} - said == set()
