"""What each service account of the chart may do in AWS, by EKS Pod Identity: no more than its part needs.

The names are those of `bezant.foundation.secrets`; docs/operations/install.md has the same table for people.
"""

from typing import Final

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import KubernetesCluster
from infrastructure.controllers import controllers
from infrastructure.provisioning import provisioning
from infrastructure.roles import Arns, Statement

SERVICES: Final = "bezant"
OBSERVABILITY: Final = "bezant-observability"
READ: Final = ("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret")
WRITE: Final = ("secretsmanager:CreateSecret", "secretsmanager:PutSecretValue", "secretsmanager:DeleteSecret",
                "secretsmanager:TagResource", "secretsmanager:ReplicateSecretToRegions",
                "secretsmanager:RemoveRegionsFromReplication")  # fmt: skip
Identity = tuple[str, str]
"""A namespace and a service account."""


def identities(
    topology: Topology, *, partition: str, region: str, account: str, cluster: KubernetesCluster
) -> dict[Identity, list[Statement]]:
    """Return the statements of each service account."""
    arns = Arns(partition, region, account)
    found: dict[Identity, list[Statement]] = {}
    for service in topology.services:
        if service.tenant_databases:
            own_secrets = f"bezant/tenants/*/{service.name}"
            found[(SERVICES, service.name)] = [_allow(READ, arns.secrets(own_secrets)), _decrypt(arns, own_secrets)]
        else:
            # onboards tenants: makes, replaces and removes their credentials and their own clusters
            # and prepares shared ones by their administrators; the control cluster's is for the migrations alone
            shared, own = "bezant/administrator/shared-*", "bezant/administrator/t-*"
            found[(SERVICES, service.name)] = [
                _allow((*READ, *WRITE), arns.secrets("bezant/tenants/*", own)),
                _allow(READ, arns.secrets(shared)),
                # whose secrets are left over (`bezant admin orphans`); a list has no resource to name
                _allow(("secretsmanager:ListSecrets",), ["*"]),
                _decrypt(arns, shared),
                _encrypt(arns, "bezant/tenants/*", own),
                *provisioning(topology, arns),
            ]
    found[(SERVICES, "migrate")] = [
        _allow((*READ, *WRITE), arns.secrets("bezant/platform/*")),
        _encrypt(arns, "bezant/platform/*"),
    ]
    stores = ("bezant/platform/*", "bezant/administrator/control", "AmazonMSK_bezant")
    found[("external-secrets", "external-secrets")] = [_allow(READ, arns.secrets(*stores)), _decrypt(arns, *stores)]
    # X-Ray has no resources to name
    found[(OBSERVABILITY, "collector")] = [
        _allow(
            ("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"),
            ["*"],
        )
    ]
    group = arns.of("logs", f"log-group:/bezant/{cluster.name}")
    found[(OBSERVABILITY, "fluent-bit")] = [
        _allow(
            ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams",
             "logs:PutRetentionPolicy"),
            [group, f"{group}:*", f"{group}/*"],
        )
    ]  # fmt: skip
    found.update(controllers(cluster, arns))
    return found


def _allow(actions: tuple[str, ...], resources: list[str]) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def _decrypt(arns: Arns, *names: str) -> Statement:
    """Allow to decrypt secrets that the stacks' own keys encrypt: by Secrets Manager, of these names, with any key."""
    return _use_keys(arns, ("kms:Decrypt",), names)


def _encrypt(arns: Arns, *names: str) -> Statement:
    """Allow to make such secrets too: Secrets Manager asks for a data key on behalf of whoever writes one."""
    return _use_keys(arns, ("kms:Decrypt", "kms:GenerateDataKey"), names)


def _use_keys(arns: Arns, actions: tuple[str, ...], names: tuple[str, ...]) -> Statement:
    return {
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": [arns.of("kms", "key/*")],
        "Condition": {
            "StringEquals": {"kms:ViaService": f"secretsmanager.{arns.region}.amazonaws.com"},
            "ArnLike": {"kms:EncryptionContext:SecretARN": arns.secrets(*names)},
        },
    }
