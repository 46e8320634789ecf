"""What each service account of the chart may do in AWS, by EKS Pod Identity: no more than its part needs.

The names are those of `bezant.foundation.secrets`; docs/operations/install.md has the same table for people.
"""

from typing import Final

from bezant.topology.model.deployment import Topology
from infrastructure.roles import Statement

SERVICES: Final = "bezant"
OBSERVABILITY: Final = "bezant-observability"
READ: Final = ("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret")
WRITE: Final = ("secretsmanager:CreateSecret", "secretsmanager:PutSecretValue", "secretsmanager:DeleteSecret",
                "secretsmanager:TagResource")  # fmt: skip
Identity = tuple[str, str]
"""A namespace and a service account."""


def identities(
    topology: Topology, *, partition: str, region: str, account: str, cluster: str
) -> dict[Identity, list[Statement]]:
    """Return the statements of each service account."""

    def secrets(*names: str) -> list[str]:
        # Secrets Manager adds six characters to a name
        return [f"arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-*" for name in names]

    def allow(actions: tuple[str, ...], resources: list[str]) -> Statement:
        return {"Effect": "Allow", "Action": list(actions), "Resource": resources}

    found: dict[Identity, list[Statement]] = {}
    for service in topology.services:
        if service.tenant_databases:
            found[(SERVICES, service.name)] = [allow(READ, secrets(f"bezant/tenants/*/{service.name}"))]
        else:
            # onboards tenants: makes, replaces and removes their credentials
            found[(SERVICES, service.name)] = [allow((*READ, *WRITE), secrets("bezant/tenants/*"))]
    found[(SERVICES, "migrate")] = [allow((*READ, *WRITE), secrets("bezant/platform/*"))]
    found[("external-secrets", "external-secrets")] = [
        allow(READ, secrets("bezant/platform/*", "bezant/administrator/*", "AmazonMSK_bezant"))
    ]
    # X-Ray has no resources to name
    found[(OBSERVABILITY, "collector")] = [
        allow(
            ("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"),
            ["*"],
        )
    ]
    group = f"arn:{partition}:logs:{region}:{account}:log-group:/bezant/{cluster}"
    found[(OBSERVABILITY, "fluent-bit")] = [
        allow(
            ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams",
             "logs:PutRetentionPolicy"),
            [group, f"{group}:*", f"{group}/*"],
        )
    ]  # fmt: skip
    return found
