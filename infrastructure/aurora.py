"""One Aurora PostgreSQL cluster: a writer, readers in the next zones, and its place in a global database.

`shared` and `control` clusters and a tenant's own (`dedicated`) are the same construct with other figures: a tier with
`readers_per_cluster: 2` has a writer and two readers in three zones, one with `key_per_cluster` a key for each cluster.
"""

from collections.abc import Iterator
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from constructs import Construct

from bezant.topology.model.data_stores import AuroraTier
from bezant.topology.model.network import Region
from infrastructure.accepted import accept
from infrastructure.encryption import encryption_key

MONITORING_SECONDS: Final = 60
SERVERLESS: Final = "db.serverless"


def made_zones(tier: AuroraTier) -> Iterator[str]:
    """Return the zone of the writer of each cluster that the stacks make, in the order of the clusters.

    A tenant's own cluster is made by the tenant service when the tenant is registered.
    """
    if tier.made_by != "stacks":
        return
    for zone, writers in tier.writers_by_zone.items():
        yield from [zone] * writers


def made_clusters(region: Region) -> Iterator[tuple[AuroraTier, str]]:
    """Return every cluster of a region that the stacks make, by its tier and name."""
    for tier in region.aurora:
        if not tier.alternative and tier.made_by == "stacks":
            yield from ((tier, cluster_name(tier, number)) for number in range(1, tier.clusters + 1))


def cluster_name(tier: AuroraTier, number: int) -> str:
    """Return the name of a cluster in both regions: `bezant-shared-3`; the control cluster is only one."""
    return "bezant-control" if tier.tier == "control" else f"bezant-{tier.tier}-{number}"


class AuroraCluster(Construct):
    """A cluster and its instances. A secondary has no master user of its own."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        region: Region,
        tier: AuroraTier,
        writer_zone: str,
        subnet_group: str,
        security_group: str,
        parameter_group: str,
        monitoring_role_arn: str,
        key: kms.Key,
        backup_days: int,
        log_days: int,
        global_cluster: str | None,
        source_region: str | None,
        master_username: str | None,
        master_user_password: str | None,
    ) -> None:
        super().__init__(scope, name)
        self._tier, self._monitoring_role_arn = tier, monitoring_role_arn
        self.key = (
            encryption_key(self, "Key", f"{name}: databases, logs and login of one tenant", also_for=("logs",))
            if tier.key_per_cluster
            else key
        )
        log_group = logs.CfnLogGroup(
            self,
            "Logs",
            # the name that RDS writes to; made by RDS it would be in plain and never end
            log_group_name=f"/aws/rds/cluster/{name}/postgresql",
            retention_in_days=log_days,
            kms_key_id=self.key.key_arn,
        )
        capacity = tier.serverless_capacity
        self.cluster = rds.CfnDBCluster(
            self,
            "Cluster",
            engine="aurora-postgresql",
            engine_version=tier.engine_version,
            db_cluster_identifier=name,
            global_cluster_identifier=global_cluster,
            source_region=source_region,
            db_subnet_group_name=subnet_group,
            db_cluster_parameter_group_name=parameter_group,
            vpc_security_group_ids=[security_group],
            storage_encrypted=True,
            kms_key_id=self.key.key_arn,
            storage_type="aurora-iopt1" if tier.storage == "io_optimized" else None,
            serverless_v2_scaling_configuration=None
            if capacity is None
            else rds.CfnDBCluster.ServerlessV2ScalingConfigurationProperty(
                min_capacity=capacity.low, max_capacity=capacity.high
            ),
            backup_retention_period=backup_days,
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            enable_cloudwatch_logs_exports=["postgresql"],
            enable_iam_database_authentication=False,
            master_username=master_username,
            master_user_password=master_user_password,
            # by which the tenant service finds the clusters that take tenants, and how many
            tags=[
                cdk.CfnTag(key="bezant:tier", value=tier.tier),
                cdk.CfnTag(key="bezant:tenants", value=str(tier.tenants_per_cluster)),
            ],
        )
        self.cluster.add_resource_dependency(log_group)
        self.cluster.apply_removal_policy(cdk.RemovalPolicy.SNAPSHOT)
        accept(
            self.cluster,
            "services log in with passwords that the tenant service rotates, two roles in turn; a token of IAM lasts "
            "15 minutes and costs a call to AWS for each new connection",
            "CKV_AWS_162",
            "AwsSolutions-RDS6",
        )
        accept(self.cluster, "who may connect decide groups and passwords, not a port to guess", "AwsSolutions-RDS11")
        for number, zone in enumerate(_instance_zones(region, tier, writer_zone)):
            self._instance(f"{name}-{number}", zone, promotion_tier=min(number, 1))

    def _instance(self, name: str, zone: str, *, promotion_tier: int) -> None:
        one = rds.CfnDBInstance(
            self,
            f"Instance-{name}",
            db_instance_identifier=name,
            db_cluster_identifier=self.cluster.ref,
            engine="aurora-postgresql",
            db_instance_class=SERVERLESS if self._tier.serverless_capacity else self._tier.instance_class,
            availability_zone=zone,
            promotion_tier=promotion_tier,
            publicly_accessible=False,
            auto_minor_version_upgrade=True,
            enable_performance_insights=True,
            performance_insights_kms_key_id=self.key.key_arn,
            monitoring_interval=MONITORING_SECONDS,
            monitoring_role_arn=self._monitoring_role_arn,
        )
        accept(one, "the plan takes clusters, by their names (infrastructure/backups.py)", "*RDSInBackupPlan")


def _instance_zones(region: Region, tier: AuroraTier, writer_zone: str) -> list[str]:
    """Return the writer's zone, then the next ones for its readers."""
    zones = region.availability_zones
    start = zones.index(writer_zone)
    return [zones[(start + step) % len(zones)] for step in range(1 + tier.readers_per_cluster)]
