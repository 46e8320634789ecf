"""Databases, cache, broker, connection pools, secrets and backups."""

from typing import Literal

from pydantic import Field

from bezant.topology.model.base import Count, Name, Part, Positive, Seconds


class ServerlessCapacity(Part):
    """Between how many capacity units (about 2 GiB of memory each) Aurora Serverless v2 scales an instance."""

    low: float = Field(ge=0.5, le=256)
    high: float = Field(ge=1, le=256)


class AuroraTier(Part):
    """Aurora PostgreSQL clusters of one kind. `shared`: many tenants' databases on each; `dedicated`: one each."""

    tier: Literal["shared", "dedicated", "control"]
    clusters: Count
    tenants_per_cluster: Count
    instance_class: Name
    readers_per_cluster: Count
    writers_by_zone: dict[Name, Count] = Field(default_factory=dict, description="how many writers start in each zone")
    engine_version: Name | None = None
    storage: Literal["standard", "io_optimized"] = "standard"
    storage_gigabytes: Count | None = Field(None, description="all clusters of the tier together")
    backup_gigabytes: Count | None = None
    alternative: bool = Field(False, description="the same tenants drawn a second time in another way; not billed")
    serverless: bool = Field(False, description="the document also says Aurora Serverless v2")
    serverless_capacity: ServerlessCapacity | None = Field(
        None, description="scales between these and is planned and billed as `instance_class`; null: provisioned"
    )
    key_per_cluster: bool = Field(
        False, description="a KMS key for each cluster, so that one tenant's can be ended alone"
    )

    made_by: Literal["stacks", "tenant_service"] = Field(
        "stacks",
        description="who makes the clusters; the tenant service makes one when a tenant is registered, and `clusters` "
        "is how many are planned",
    )

    @property
    def instances(self) -> int:
        """Writers and readers."""
        return self.clusters * (1 + self.readers_per_cluster)


class ValkeyShard(Part):
    """One shard: where its primary and its replicas stand."""

    primary_zone: Name
    replica_zones: tuple[Name, ...]


class Valkey(Part):
    """The cache cluster, cluster mode on."""

    node_type: Name
    engine: Literal["redis", "valkey"] = "valkey"
    engine_version: Name | None = None
    shards: tuple[ValkeyShard, ...]

    @property
    def nodes(self) -> int:
        """Primaries and replicas."""
        return sum(1 + len(shard.replica_zones) for shard in self.shards)


class Kafka(Part):
    """The broker cluster (MSK)."""

    instance_type: Name
    version: Name | None = None
    brokers: Positive
    replication_factor: Positive
    min_in_sync_replicas: Positive
    storage_gigabytes_per_broker: Positive


class Topic(Part):
    """A topic and who gets each of its events."""

    name: Name
    delivery: Literal["one_member_per_group", "every_instance"] | None = Field(
        None, description="null: not stated, so Kafka's own way, one member of each consumer group"
    )
    needed_by: Literal["one_member_per_group", "every_instance"] = "one_member_per_group"


class ConnectionPools(Part):
    """The pool of each tenant in each process, and the bound over all of them."""

    min_connections: Count = Field(description="kept open per resident tenant")
    max_connections: Positive = Field(description="per tenant")
    process_connection_cap: Positive | None = Field(None, description="over all tenants of a process; null: none")
    evicts_idle_tenants: bool = False
    control_connections_per_process: Count = Field(0, description="to the control database, from every process")
    idle_seconds: Seconds | None = None
    checkout_timeout_seconds: Seconds | None = None


class Secrets(Part):
    """How credentials are stored, and what the document says of their number."""

    store: Name
    layout: Literal["one_per_key", "one_json_per_tenant_and_service"]
    drawn_keys: tuple[Name, ...] = Field(description="the keys that the connection diagram shows")
    onboarding_keys: tuple[Name, ...] = Field(description="the keys that onboarding writes")
    platform_secrets: Count = Field(0, description="secrets that belong to no tenant")
    stated_secrets: Count | None = Field(None, description="the number that is stated, for the bill or a quota")


class Security(Part):
    """Encryption, and how pods come by their AWS identity."""

    encrypted_at_rest: bool = Field(description="KMS, for every store and volume")
    encrypted_in_transit: bool = Field(description="TLS to every store, and between pods by the mesh")
    workload_identity: Literal["irsa", "pod_identity"]
    credential_rotation_days: Positive | None = Field(None, description="of database passwords; null: not stated")


class Backups(Part):
    """Aurora's backups."""

    automated_every_hours: Seconds
    automated_retention_days: Positive
    snapshot_every_days: Positive
    snapshot_retention_days: Positive
    point_in_time_recovery: bool = Field(description="continuous backup, restore to any second in the retention")
    restore_tested_every_days: Positive | None = None
