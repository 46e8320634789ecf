"""Findings of checkers that are accepted, each beside its resource with its reason.

checkov reads them in a resource's metadata; cfn-lint's and cdk-nag's are the CDK's own acknowledgments.
"""

import aws_cdk as cdk
from constructs import IConstruct

CHECKOV = "CKV"


def accept(resource: IConstruct, reason: str, *rules: str) -> None:
    """Accept findings of these rules at the resource: `CKV_AWS_18`, `AwsSolutions-S1`, ..."""
    own = [rule for rule in rules if rule.startswith(CHECKOV)]
    if own and isinstance(resource, cdk.CfnResource):
        before = (resource.get_metadata("checkov") or {}).get("skip", [])
        added = [{"id": rule, "comment": reason} for rule in own]
        resource.add_metadata("checkov", {"skip": [*before, *added]})
    others = [cdk.Acknowledgment(id=rule, reason=reason) for rule in rules if not rule.startswith(CHECKOV)]
    if others:
        cdk.Validations.of(resource).acknowledge(*others)
