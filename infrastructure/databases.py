"""Aurora PostgreSQL of a region: the model's clusters, their writers spread over the zones, global to the other region.

In the secondary region a cluster is headless but for one instance that follows; it has no credentials of its own.
"""

from collections.abc import Iterator
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from bezant.topology.model.data_stores import AuroraTier
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from infrastructure.encryption import encryption_key
from infrastructure.network import NetworkStack

ADMINISTRATOR: Final = "bezant_administrator"
MONITORING_SECONDS: Final = 60


def writer_zones(tier: AuroraTier) -> Iterator[str]:
    """Return the zone of each cluster's writer, in the order of the clusters."""
    for zone, writers in tier.writers_by_zone.items():
        yield from [zone] * writers


def cluster_name(tier: AuroraTier, number: int) -> str:
    """Return the name of a cluster in both regions: `bezant-shared-3`; the control cluster is only one."""
    return "bezant-control" if tier.tier == "control" else f"bezant-{tier.tier}-{number}"


class DatabaseStack(cdk.Stack):
    """All clusters of a region."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topology: Topology,
        region: Region,
        network: NetworkStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._topology, self._region, self._network = topology, region, network
        self.key: kms.Key = encryption_key(self, "Key", "databases, their backups and their administrators' secrets")
        self._subnets = rds.CfnDBSubnetGroup(
            self,
            "Subnets",
            db_subnet_group_description="Bezant: isolated subnets of every zone",
            subnet_ids=list(network.isolated.values()),
        )
        self._monitoring = iam.CfnRole(
            self,
            "MonitoringRole",
            assume_role_policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "monitoring.rds.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            },
            managed_policy_arns=[f"arn:{self.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"],
        )
        for tier in region.aurora:
            if not tier.alternative:
                self._tier(tier)

    def _tier(self, tier: AuroraTier) -> None:
        major = str(tier.engine_version).partition(".")[0]
        parameters = rds.CfnDBClusterParameterGroup(
            self,
            f"Parameters-{tier.tier}",
            family=f"aurora-postgresql{major}",
            description=f"Bezant {tier.tier} databases",
            # TLS or nothing; statements that take long are logged without their values
            parameters={
                "rds.force_ssl": "1",
                "log_min_duration_statement": "1000",
                "log_parameter_max_length": "0",
                "log_parameter_max_length_on_error": "0",
            },
        )
        for number, zone in enumerate(writer_zones(tier), start=1):
            self._cluster(tier, number, zone, parameters)

    def _cluster(
        self, tier: AuroraTier, number: int, writer_zone: str, parameters: rds.CfnDBClusterParameterGroup
    ) -> None:
        name = cluster_name(tier, number)
        primary = self._region.role == "primary"
        global_cluster = self._global_cluster(tier, name) if primary and self._topology.secondary is not None else None
        own: dict[str, Any] = {}
        if primary:
            secret = self._administrator(name)
            own = {
                "master_username": ADMINISTRATOR,
                "master_user_password": cdk.Fn.sub(
                    f"{{{{resolve:secretsmanager:${{{secret.logical_id}}}:SecretString:password}}}}"
                ),
            }
        cluster = rds.CfnDBCluster(
            self,
            f"Cluster-{name}",
            engine="aurora-postgresql",
            engine_version=tier.engine_version,
            db_cluster_identifier=name,
            # created by the primary's stack; the name is the same everywhere
            global_cluster_identifier=global_cluster.ref if global_cluster else (None if primary else name),
            source_region=None if primary else self._topology.primary.name,
            db_subnet_group_name=self._subnets.ref,
            db_cluster_parameter_group_name=parameters.ref,
            vpc_security_group_ids=[self._network.store_groups["databases"].attr_group_id],
            storage_encrypted=True,
            kms_key_id=self.key.key_arn,
            storage_type="aurora-iopt1" if tier.storage == "io_optimized" else None,
            backup_retention_period=self._topology.backups.automated_retention_days,
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            enable_cloudwatch_logs_exports=["postgresql"],
            enable_iam_database_authentication=False,
            **own,
        )
        cluster.apply_removal_policy(cdk.RemovalPolicy.SNAPSHOT)
        for instance, zone in enumerate(self._instance_zones(tier, writer_zone)):
            self._instance(cluster, tier, f"{name}-{instance}", zone, promotion_tier=min(instance, 1))

    def _instance_zones(self, tier: AuroraTier, writer_zone: str) -> list[str]:
        """Return the writer's zone, then the next ones for its readers."""
        zones = self._region.availability_zones
        start = zones.index(writer_zone)
        return [zones[(start + step) % len(zones)] for step in range(1 + tier.readers_per_cluster)]

    def _global_cluster(self, tier: AuroraTier, name: str) -> rds.CfnGlobalCluster:
        return rds.CfnGlobalCluster(
            self,
            f"Global-{name}",
            global_cluster_identifier=name,
            engine="aurora-postgresql",
            engine_version=tier.engine_version,
            storage_encrypted=True,
            deletion_protection=True,
        )

    def _administrator(self, name: str) -> secretsmanager.CfnSecret:
        """Return the secret of the cluster's master user: made by AWS, replicated where a promotion needs it."""
        secondary = self._topology.secondary
        secret = secretsmanager.CfnSecret(
            self,
            f"Administrator-{name}",
            # bezant/administrator/control is what the chart's `installation.secrets.administrator` names
            name=f"bezant/administrator/{name.removeprefix('bezant-')}",
            kms_key_id=self.key.key_arn,
            generate_secret_string=secretsmanager.CfnSecret.GenerateSecretStringProperty(
                secret_string_template=f'{{"username": "{ADMINISTRATOR}"}}',
                generate_string_key="password",
                password_length=40,
                exclude_punctuation=True,
            ),
            replica_regions=None
            if secondary is None
            else [secretsmanager.CfnSecret.ReplicaRegionProperty(region=secondary.name)],
        )
        secret.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        return secret

    def _instance(
        self, cluster: rds.CfnDBCluster, tier: AuroraTier, name: str, zone: str, *, promotion_tier: int
    ) -> None:
        rds.CfnDBInstance(
            self,
            f"Instance-{name}",
            db_instance_identifier=name,
            db_cluster_identifier=cluster.ref,
            engine="aurora-postgresql",
            db_instance_class=tier.instance_class,
            availability_zone=zone,
            promotion_tier=promotion_tier,
            publicly_accessible=False,
            auto_minor_version_upgrade=True,
            enable_performance_insights=True,
            performance_insights_kms_key_id=self.key.key_arn,
            monitoring_interval=MONITORING_SECONDS,
            monitoring_role_arn=self._monitoring.attr_arn,
        )
