"""The cache and the broker of a region. Both hold nothing that cannot be made again: counters, and events that the
outboxes keep. So each region has its own, and none is copied.
"""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_logs as logs
from aws_cdk import aws_msk as msk
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from bezant.topology.model.data_stores import Kafka, Valkey
from bezant.topology.model.network import Region
from infrastructure.accepted import accept
from infrastructure.encryption import encryption_key
from infrastructure.network import NetworkStack

USER: Final = "bezant"
LOG_DAYS: Final = 30
VALKEY_SECRET: Final = "bezant/platform/valkey"
KAFKA_SECRET: Final = "AmazonMSK_bezant"
"""MSK accepts no secret whose name begins otherwise."""
_PASSWORD_OF: Final = "{{resolve:secretsmanager:${%s}:SecretString:password}}"
"""What CloudFormation puts in the place of a secret of this stack."""


class StoreStack(cdk.Stack):
    """Valkey in cluster mode with a replica in another zone for each shard, and MSK with a broker in each zone."""

    def __init__(
        self, scope: Construct, construct_id: str, *, region: Region, network: NetworkStack, **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._region, self._network = region, network
        self.key = encryption_key(self, "Key", "cache, broker and their users' secrets", also_for=("logs",))
        if region.valkey is not None:
            self._cache(region.valkey)
        if region.kafka is not None:
            self._broker(region.kafka)

    def _secret(self, construct_id: str, name: str, user_key: str) -> secretsmanager.CfnSecret:
        secret = secretsmanager.CfnSecret(
            self,
            construct_id,
            name=name,
            kms_key_id=self.key.key_arn,
            generate_secret_string=secretsmanager.CfnSecret.GenerateSecretStringProperty(
                secret_string_template=f'{{"{user_key}": "{USER}"}}',
                generate_string_key="password",
                password_length=40,
                exclude_punctuation=True,
            ),
        )
        secret.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        accept(
            secret,
            "AWS has no rotation for users of caches and brokers; docs/operations/rotation.md has the steps",
            "AwsSolutions-SMG4",
            "*SecretsManagerRotationEnabled",
        )
        return secret

    def _cache(self, valkey: Valkey) -> None:
        secret = self._secret("CacheSecret", VALKEY_SECRET, "user")
        user = elasticache.CfnUser(
            self,
            "CacheUser",
            engine="valkey",
            user_id=USER,
            user_name=USER,
            access_string="on ~* &* +@all -@dangerous +info +cluster",
            authentication_mode={"Type": "password", "Passwords": [cdk.Fn.sub(_PASSWORD_OF % secret.logical_id)]},
        )
        group = elasticache.CfnUserGroup(
            self, "CacheUsers", engine="valkey", user_group_id="bezant", user_ids=[user.user_id]
        )
        group.add_resource_dependency(user)
        subnets = elasticache.CfnSubnetGroup(
            self,
            "CacheSubnets",
            cache_subnet_group_name=f"{self._region.cluster.name}-cache",
            description="Bezant: isolated subnets of every zone",
            subnet_ids=list(self._network.isolated.values()),
        )
        cache = elasticache.CfnReplicationGroup(
            self,
            "Cache",
            replication_group_id=f"{self._region.cluster.name}",
            replication_group_description="Bezant: velocity counters and rate limits",
            engine=valkey.engine,
            engine_version=valkey.engine_version,
            cache_node_type=valkey.node_type,
            # without a name AWS takes the one in which cluster mode is off
            cache_parameter_group_name=f"default.{valkey.engine}{str(valkey.engine_version).partition('.')[0]}.cluster.on",
            port=6379,
            num_node_groups=len(valkey.shards),
            node_group_configuration=[
                elasticache.CfnReplicationGroup.NodeGroupConfigurationProperty(
                    node_group_id=f"{number:04d}",
                    primary_availability_zone=shard.primary_zone,
                    replica_availability_zones=list(shard.replica_zones),
                    replica_count=len(shard.replica_zones),
                )
                for number, shard in enumerate(valkey.shards, start=1)
            ],
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            at_rest_encryption_enabled=True,
            kms_key_id=self.key.key_arn,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            user_group_ids=[group.user_group_id],
            cache_subnet_group_name=subnets.ref,
            security_group_ids=[self._network.store_groups["cache"].attr_group_id],
            auto_minor_version_upgrade=True,
        )
        cache.add_resource_dependency(group)
        accept(
            cache,
            "counters are made again from the payments of the next minutes",
            "*ElastiCacheRedisClusterAutomaticBackup",
        )
        accept(cache, "who may connect decide groups and passwords, not a port to guess", "AwsSolutions-AEC6")

    def _broker(self, kafka: Kafka) -> None:
        configuration = msk.CfnConfiguration(
            self,
            "BrokerConfiguration",
            name=f"{self._region.cluster.name}-durable",
            kafka_versions_list=[str(kafka.version)],
            # a write counts when it is on two brokers; topics are made by the migrations alone
            server_properties="\n".join(
                (
                    f"default.replication.factor={kafka.replication_factor}",
                    f"min.insync.replicas={kafka.min_in_sync_replicas}",
                    "auto.create.topics.enable=false",
                    "unclean.leader.election.enable=false",
                    "log.retention.hours=168",
                )
            ),
        )
        log_group = logs.CfnLogGroup(
            self,
            "BrokerLogs",
            log_group_name=f"/bezant/{self._region.cluster.name}/brokers",
            retention_in_days=LOG_DAYS,
            kms_key_id=self.key.key_arn,
        )
        cluster = msk.CfnCluster(
            self,
            "Broker",
            cluster_name=self._region.cluster.name,
            kafka_version=str(kafka.version),
            number_of_broker_nodes=kafka.brokers,
            broker_node_group_info=msk.CfnCluster.BrokerNodeGroupInfoProperty(
                instance_type=kafka.instance_type,
                client_subnets=list(self._network.isolated.values()),
                security_groups=[self._network.store_groups["broker"].attr_group_id],
                storage_info=msk.CfnCluster.StorageInfoProperty(
                    ebs_storage_info=msk.CfnCluster.EBSStorageInfoProperty(
                        volume_size=kafka.storage_gigabytes_per_broker
                    )
                ),
            ),
            client_authentication=msk.CfnCluster.ClientAuthenticationProperty(
                sasl=msk.CfnCluster.SaslProperty(scram=msk.CfnCluster.ScramProperty(enabled=True)),
                unauthenticated=msk.CfnCluster.UnauthenticatedProperty(enabled=False),
            ),
            encryption_info=msk.CfnCluster.EncryptionInfoProperty(
                encryption_at_rest=msk.CfnCluster.EncryptionAtRestProperty(data_volume_kms_key_id=self.key.key_arn),
                encryption_in_transit=msk.CfnCluster.EncryptionInTransitProperty(client_broker="TLS", in_cluster=True),
            ),
            configuration_info=msk.CfnCluster.ConfigurationInfoProperty(
                arn=configuration.attr_arn, revision=configuration.attr_latest_revision_revision
            ),
            enhanced_monitoring="PER_TOPIC_PER_BROKER",
            logging_info=msk.CfnCluster.LoggingInfoProperty(
                broker_logs=msk.CfnCluster.BrokerLogsProperty(
                    cloud_watch_logs=msk.CfnCluster.CloudWatchLogsProperty(enabled=True, log_group=log_group.ref)
                )
            ),
        )
        secret = self._secret("BrokerSecret", KAFKA_SECRET, "username")
        msk.CfnBatchScramSecret(self, "BrokerUser", cluster_arn=cluster.ref, secret_arn_list=[secret.ref])
