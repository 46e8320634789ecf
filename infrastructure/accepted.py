"""Findings of checkers that are accepted, each beside its resource with its reason.

checkov reads them in a resource's metadata; cdk-nag's are the CDK's own acknowledgments. Rules that several packs have
under the same name are given once, by that name with `*` before it.
"""

from collections.abc import Iterator
from typing import Final

import aws_cdk as cdk
from constructs import IConstruct

CHECKOV: Final = "CKV"
EVERY_PACK: Final = "*"
PACKS: Final = ("AwsSolutions", "NIST.800.53.R5", "PCI.DSS.321")
"""cdk-nag's packs; a finding is named `PACK::PACK-RULE`."""


def accept(resource: IConstruct, reason: str, *rules: str) -> None:
    """Accept findings of these rules at the resource: `CKV_AWS_18`, `AwsSolutions-S1`, `*S3BucketLoggingEnabled`."""
    own = [rule for rule in rules if rule.startswith(CHECKOV)]
    if own and isinstance(resource, cdk.CfnResource):
        before = (resource.get_metadata("checkov") or {}).get("skip", [])
        added = [{"id": rule, "comment": reason} for rule in own]
        resource.add_metadata("checkov", {"skip": [*before, *added]})
    named = [name for rule in rules if not rule.startswith(CHECKOV) for name in _names(rule)]
    if named:
        cdk.Validations.of(resource).acknowledge(*(cdk.Acknowledgment(id=name, reason=reason) for name in named))


def _names(rule: str) -> Iterator[str]:
    for pack in PACKS:
        if rule.startswith(f"{pack}-"):
            yield f"{pack}::{rule}"
        elif rule.startswith(EVERY_PACK) and pack != "AwsSolutions":
            yield f"{pack}::{pack}-{rule.removeprefix(EVERY_PACK)}"
