"""Roles that AWS services take on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class Arns:
    """Names of resources in one region of the account."""

    partition: str
    region: str
    account: str

    def of(self, service: str, resource: str, *, region: str | None = None) -> str:
        """Return a resource's ARN, in another region if it is given."""
        return f"arn:{self.partition}:{service}:{region or self.region}:{self.account}:{resource}"

    def secrets(self, *names: str) -> list[str]:
        """Return the ARNs of secrets by their names or patterns; Secrets Manager adds six characters to a name."""
        return [self.of("secretsmanager", f"secret:{name}-*") for name in names]


def service_role(
    scope: Construct,
    construct_id: str,
    service: str,
    *,
    managed: Sequence[str] = (),
    statements: Sequence[Statement] = (),
    tag_session: bool = False,
    only_this_account: bool = False,
) -> iam.CfnRole:
    """Return a role for `service`.amazonaws.com with AWS's own policies by name, and statements of ours.

    `tag_session`: EKS Pod Identity hands over pod and cluster as session tags. `only_this_account`: the service acts
    for this account alone (no confused deputy), which not every service can be asked.
    """
    stack = cdk.Stack.of(scope)
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"] if tag_session else "sts:AssumeRole",
    }
    if only_this_account:
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": stack.account}}
    return iam.CfnRole(
        scope,
        construct_id,
        assume_role_policy_document={"Version": "2012-10-17", "Statement": [trust]},
        managed_policy_arns=[f"arn:{stack.partition}:iam::aws:policy/{policy}" for policy in managed] or None,
        policies=[
            iam.CfnRole.PolicyProperty(
                policy_name="needs", policy_document={"Version": "2012-10-17", "Statement": list(statements)}
            )
        ]
        if statements
        else None,
    )
