"""Roles that AWS services take on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infrastructure.accepted import accept

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
    only_for: Mapping[str, str] | None = None,
    only_this_account: bool = False,
) -> iam.CfnRole:
    """Return a role for `service`.amazonaws.com with AWS's own policies by name, and statements of ours.

    `tag_session`: EKS Pod Identity hands over pod and cluster as session tags; `only_for` are those that the role is
    for, so that an association with another service account gets nothing of it. `only_this_account`: the service acts
    for this account alone (no confused deputy), which not every service can be asked.
    """
    stack = cdk.Stack.of(scope)
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"] if tag_session else "sts:AssumeRole",
    }
    if only_for is not None:
        trust["Condition"] = {"StringEquals": {f"aws:RequestTag/{tag}": value for tag, value in only_for.items()}}
    if only_this_account:
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": stack.account}}
    role = iam.CfnRole(
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
    for policy in managed:
        named = f"[Policy::arn:<AWS::Partition>:iam::aws:policy/{policy}]"
        accept(role, "AWS's own parts, and AWS says what they need", f"AwsSolutions-IAM4{named}")
    if statements:
        accept(role, "it fits this one role and goes with it", "*IAMNoInlinePolicy")
    for pattern in sorted(_patterns(stack, statements)):
        accept(
            role,
            "names that are made later, or end in six random characters; tests/infra/checks asks each role about them",
            f"AwsSolutions-IAM5[Resource::{pattern}]",
        )
    return role


def _patterns(stack: cdk.Stack, statements: Sequence[Statement]) -> set[str]:
    """Return the resources with a wildcard as cdk-nag writes them: references in angle brackets."""
    resources = [one["Resource"] for one in statements]
    every = [name for one in resources for name in (one if isinstance(one, list) else [one])]
    return {text for text in (_written(stack.resolve(name)) for name in every) if "*" in text}


def _written(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    if "Fn::Join" in value:
        return "".join(_written(part) for part in value["Fn::Join"][1])
    name = value["Ref"] if "Ref" in value else ".".join(value["Fn::GetAtt"])
    return f"<{name}>"
