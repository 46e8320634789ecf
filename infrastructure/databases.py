"""Aurora PostgreSQL of a region: the model's clusters, their writers spread over the zones, global to the other region.

In the secondary region a cluster is headless but for one instance that follows; it has no credentials of its own.
"""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from bezant.topology.model.data_stores import AuroraTier
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from infrastructure.aurora import AuroraCluster, cluster_name, made_zones
from infrastructure.encryption import SECRETS_ALIAS, encryption_key
from infrastructure.network import NetworkStack
from infrastructure.provisioning import MONITORING_ROLE
from infrastructure.roles import service_role

ADMINISTRATOR: Final = "bezant_administrator"
ROTATION_HOURS: Final = "2h"
"""The window in which a password is replaced, at the beginning of a day (UTC)."""


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
        self.key: kms.Key = encryption_key(
            self, "Key", "databases, their logs and administrators' secrets", also_for=("logs",)
        )
        secrets_key = encryption_key(self, "SecretsKey", "secrets of tenants and of the platform, made by the services")
        # the same name in both regions: what the services make here is copied there
        kms.CfnAlias(self, "SecretsKeyAlias", alias_name=SECRETS_ALIAS, target_key_id=secrets_key.key_id)
        self._subnets = rds.CfnDBSubnetGroup(
            self,
            "Subnets",
            db_subnet_group_description="Bezant: isolated subnets of every zone",
            subnet_ids=list(network.isolated.values()),
        )
        self._monitoring = service_role(
            self, "MonitoringRole", "monitoring.rds", managed=("service-role/AmazonRDSEnhancedMonitoringRole",)
        )
        # the tenant service hands it to the clusters that it makes
        self._monitoring.role_name = f"{MONITORING_ROLE}-{region.name}"
        if region.role == "primary":
            # expands into the functions that rotate passwords
            self.add_transform("AWS::SecretsManager-2024-09-16")
        for tier in region.aurora:
            if not tier.alternative:
                self._tier(tier)
        self._outputs()

    def _outputs(self) -> None:
        """Say what the chart's `tenantDatabases` asks for: what the tenant service gives to the clusters it makes."""
        for name, value in (
            ("SubnetGroup", self._subnets.ref),
            ("KmsKeyId", self.key.key_arn),
            ("MonitoringRoleArn", self._monitoring.attr_arn),
        ):
            cdk.CfnOutput(self, name, value=value, description=f"tenantDatabases.{name[0].lower()}{name[1:]}")

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
        if tier.tier == "dedicated":
            cdk.CfnOutput(self, "ParameterGroup", value=parameters.ref, description="tenantDatabases.parameterGroup")
        for number, zone in enumerate(made_zones(tier), start=1):
            self._cluster(tier, cluster_name(tier, number), zone, parameters)

    def _cluster(
        self, tier: AuroraTier, name: str, writer_zone: str, parameters: rds.CfnDBClusterParameterGroup
    ) -> None:
        assert self._topology.observability is not None
        log_days = self._topology.observability.log_retention_days
        primary = self._region.role == "primary"
        global_cluster = self._global_cluster(tier, name) if primary and self._topology.secondary is not None else None
        secret = self._administrator(name) if primary else None
        password = (
            "" if secret is None else f"{{{{resolve:secretsmanager:${{{secret.logical_id}}}:SecretString:password}}}}"
        )
        one = AuroraCluster(
            self,
            name,
            region=self._region,
            tier=tier,
            writer_zone=writer_zone,
            subnet_group=self._subnets.ref,
            security_group=self._network.store_groups["databases"].attr_group_id,
            parameter_group=parameters.ref,
            monitoring_role_arn=self._monitoring.attr_arn,
            key=self.key,
            backup_days=self._topology.backups.automated_retention_days,
            log_days=log_days,
            # created by the primary's stack; the name is the same everywhere
            global_cluster=global_cluster.ref if global_cluster else (None if primary else name),
            source_region=None if primary else self._topology.primary.name,
            master_username=None if secret is None else ADMINISTRATOR,
            master_user_password=None if secret is None else cdk.Fn.sub(password),
        )
        if secret is not None:
            secret.kms_key_id = one.key.key_arn
            self._rotation(name, secret, one.cluster, one.key)

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

    def _rotation(self, name: str, secret: secretsmanager.CfnSecret, cluster: rds.CfnDBCluster, key: kms.Key) -> None:
        """Replace the password by Secrets Manager's own function, which it makes in the network of the nodes."""
        days = self._topology.security.credential_rotation_days
        if days is None:
            return
        # writes host, port and engine into the secret, by which the function finds the database
        attachment = secretsmanager.CfnSecretTargetAttachment(
            self,
            f"AdministratorOf-{name}",
            secret_id=secret.ref,
            target_id=cluster.ref,
            target_type="AWS::RDS::DBCluster",
        )
        schedule = secretsmanager.CfnRotationSchedule(
            self,
            f"Rotation-{name}",
            secret_id=secret.ref,
            rotate_immediately_on_update=False,
            rotation_rules=secretsmanager.CfnRotationSchedule.RotationRulesProperty(
                duration=ROTATION_HOURS, schedule_expression=f"rate({days} days)"
            ),
            hosted_rotation_lambda=secretsmanager.CfnRotationSchedule.HostedRotationLambdaProperty(
                rotation_type="PostgreSQLSingleUser",
                rotation_lambda_name=f"rotate-{name}",
                kms_key_arn=key.key_arn,
                vpc_subnet_ids=",".join(self._network.nodes.values()),
                vpc_security_group_ids=self._network.rotation_group.attr_group_id,
            ),
        )
        schedule.add_resource_dependency(attachment)
