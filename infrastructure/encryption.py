"""Keys: one for each stack, rotated every year, kept when the stack goes."""

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

SECRETS_ALIAS: Final = "alias/bezant-secrets"
"""The chart's `installation.secrets.kmsKey`."""


def encryption_key(
    scope: Construct, construct_id: str, what: str, *, also_for: Sequence[str] = (), publishers: Sequence[str] = ()
) -> kms.Key:
    """Return a key for what is named.

    `also_for` are AWS services that encrypt with it by themselves, such as logs; `publishers` those that write into an
    encrypted topic or queue.
    """
    stack = cdk.Stack.of(scope)
    key = kms.Key(
        scope,
        construct_id,
        description=f"Bezant in {stack.region}: {what}",
        enable_key_rotation=True,
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )
    logs = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}"
    for service in also_for:
        key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                principals=[iam.ServicePrincipal(f"{service}.{stack.region}.amazonaws.com")],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"{logs}:*"}},
            )
        )
    if publishers:
        key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                principals=[iam.ServicePrincipal(f"{one}.amazonaws.com") for one in publishers],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
            )
        )
    return key
