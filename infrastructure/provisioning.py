"""What the tenant service may do in RDS: look at what is there, and make and remove clusters of single tenants.

It makes the log groups of these clusters too, before RDS makes them in plain and for ever.

Their identifiers begin with `bezant-t-` (`bezant.services.tenant.provisioning.aurora.names`); the clusters of the
stacks can be looked at and nothing more.
"""

from typing import Final

from bezant.topology.model.deployment import Topology
from infrastructure.roles import Arns, Statement

OWN: Final = "bezant-t-*"
LOGS: Final = f"/aws/rds/cluster/{OWN}"
_LOOK: Final = ("rds:DescribeAccountAttributes", "rds:DescribeDBClusters", "rds:DescribeDBClusterSnapshots",
                "rds:DescribeDBInstances", "rds:DescribeGlobalClusters", "rds:ListTagsForResource")  # fmt: skip
_CHANGE: Final = ("rds:AddTagsToResource", "rds:CreateDBCluster", "rds:CreateDBInstance", "rds:CreateGlobalCluster",
                  "rds:CreateDBClusterSnapshot", "rds:DeleteDBCluster", "rds:DeleteDBClusterSnapshot",
                  "rds:DeleteDBInstance", "rds:DeleteGlobalCluster", "rds:ModifyDBCluster",
                  "rds:RemoveFromGlobalCluster")  # fmt: skip
_USED: Final = {
    "rds:CreateDBCluster": {"subgrp": "*", "cluster-pg": "*", "og": "default*"},
    "rds:CreateDBInstance": {"subgrp": "*", "pg": "default*", "og": "default*"},
}
"""What a new cluster or instance refers to, by AWS's service authorization reference."""


def provisioning(topology: Topology, arns: Arns) -> list[Statement]:
    """Return the statements, in both regions: a tenant's cluster has a follower in the other one."""
    regions = [region.name for region in topology.regions]
    own = [arns.of("rds", f"{kind}:{OWN}", region=region) for region in regions
           for kind in ("cluster", "db", "cluster-snapshot")]  # fmt: skip
    # what a request names is asked for as well, the option group and the parameter group also when it leaves them out
    used = {
        action: [arns.of("rds", f"{kind}:{name}", region=region) for region in regions for kind, name in named.items()]
        for action, named in _USED.items()
    }
    keys = [arns.of("kms", "key/*", region=region) for region in regions]
    through_rds = {"kms:ViaService": [f"rds.{region}.amazonaws.com" for region in regions]}
    return [
        {"Effect": "Allow", "Action": list(_LOOK), "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": list(_CHANGE),
            # a global cluster belongs to no region
            "Resource": [*own, f"arn:{arns.partition}:rds::{arns.account}:global-cluster:{OWN}"],
        },
        *({"Effect": "Allow", "Action": [action], "Resource": names} for action, names in used.items()),
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"],
            "Resource": [arns.of("logs", f"log-group:{LOGS}", region=region) for region in regions],
        },
        {
            "Effect": "Allow",
            "Action": ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": keys,
            "Condition": {"StringEquals": through_rds},
        },
        {
            "Effect": "Allow",
            "Action": ["kms:CreateGrant"],
            "Resource": keys,
            # no other of these actions knows this condition, and each would be refused by it
            "Condition": {"StringEquals": through_rds, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        },
        {
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": [f"arn:{arns.partition}:iam::{arns.account}:role/{MONITORING_ROLE}-*"],
            "Condition": {"StringEquals": {"iam:PassedToService": "monitoring.rds.amazonaws.com"}},
        },
    ]


MONITORING_ROLE: Final = "bezant-monitoring"
"""The name of the role for Enhanced Monitoring, with the region's name behind it."""
