"""Cache and broker."""

import json
from collections.abc import Iterator

from bezant.topology.model.deployment import Topology

from .templates import Templates, of_type, regions


def check_cache(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's shards with their primaries and replicas in its zones, by TLS and with a user."""
    for region, template in regions(templates, model, "stores"):
        (one,) = of_type(template, "ElastiCache::ReplicationGroup").values()
        assert region.valkey is not None
        found = [(part["PrimaryAvailabilityZone"], tuple(part["ReplicaAvailabilityZones"]))
                 for part in one["NodeGroupConfiguration"]]  # fmt: skip
        if found != [(shard.primary_zone, shard.replica_zones) for shard in region.valkey.shards]:
            yield f"{region.name}: the cache's shards stand in {found}"
        valkey = region.valkey
        is_ = (one["Engine"], one["EngineVersion"], one["CacheNodeType"])
        if is_ != (valkey.engine, valkey.engine_version, valkey.node_type):
            yield f"{region.name}: the cache is {is_}"
        if one.get("CacheParameterGroupName") != "default.valkey8.cluster.on":
            yield f"{region.name}: the cache is no cluster of shards"
        for name in (
            "AutomaticFailoverEnabled",
            "MultiAZEnabled",
            "AtRestEncryptionEnabled",
            "TransitEncryptionEnabled",
        ):
            if one.get(name) is not True:
                yield f"{region.name}: the cache has no {name}"
        if not one.get("UserGroupIds") or one.get("TransitEncryptionMode") != "required":
            yield f"{region.name}: the cache asks nobody who they are"
        for user in of_type(template, "ElastiCache::User").values():
            if "resolve:secretsmanager" not in json.dumps(user["AuthenticationMode"]):
                yield f"{region.name}: the cache's password is in the template"


def check_broker(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's brokers, one in each zone, that keep what they confirmed and know their clients."""
    for region, template in regions(templates, model, "stores"):
        (one,) = of_type(template, "MSK::Cluster").values()
        kafka = region.kafka
        assert kafka is not None
        group = one["BrokerNodeGroupInfo"]
        found = (one["NumberOfBrokerNodes"], one["KafkaVersion"], group["InstanceType"], len(group["ClientSubnets"]),
                 group["StorageInfo"]["EBSStorageInfo"]["VolumeSize"])  # fmt: skip
        should = (kafka.brokers, kafka.version, kafka.instance_type, len(region.availability_zones),
                  kafka.storage_gigabytes_per_broker)  # fmt: skip
        if found != should:
            yield f"{region.name}: the broker is {found}, the model says {should}"
        known = one["ClientAuthentication"]
        if not known["Sasl"]["Scram"]["Enabled"] or known["Unauthenticated"]["Enabled"]:
            yield f"{region.name}: the broker asks nobody who they are"
        transit = one["EncryptionInfo"]["EncryptionInTransit"]
        if transit != {"ClientBroker": "TLS", "InCluster": True}:
            yield f"{region.name}: the broker speaks {transit}"
        (configuration,) = of_type(template, "MSK::Configuration").values()
        properties = dict(line.split("=") for line in configuration["ServerProperties"].splitlines())
        wanted = {"default.replication.factor": str(kafka.replication_factor),
                  "min.insync.replicas": str(kafka.min_in_sync_replicas), "auto.create.topics.enable": "false",
                  "unclean.leader.election.enable": "false"}  # fmt: skip
        if not wanted.items() <= properties.items():
            yield f"{region.name}: the broker may lose what it confirmed: {properties}"
        names = {secret["Name"]: secret["GenerateSecretString"]["SecretStringTemplate"]
                 for secret in of_type(template, "SecretsManager::Secret").values()}  # fmt: skip
        # with the keys that the chart's external secrets read
        if names != {"AmazonMSK_bezant": '{"username": "bezant"}', "bezant/platform/valkey": '{"user": "bezant"}'}:
            yield f"{region.name}: the stores' secrets are {names}"
        if not of_type(template, "MSK::BatchScramSecret"):
            yield f"{region.name}: the broker does not know its user"
