"""Settings of a service process, read from the environment (`BEZANT_...`). No secret is ever a setting:
settings say where the secret store is, and credentials are fetched from it."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

import bezant


class Settings(BaseSettings):
    """Where things are, and the limits of this process. Every field is `BEZANT_<FIELD>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_", extra="ignore")

    # who this process is
    instance_id: str = "local-0"
    zone: str = "us-east-1a"
    version: str = bezant.__version__
    host: str = "127.0.0.1"
    port: int = 8000
    # a file that says `active` or `standby` (see bezant.foundation.standby); without one the process is active
    mode_file: str | None = None

    # the control database
    control_database_host: str = "127.0.0.1"
    control_database_port: int = 5432
    control_database_name: str = "bezant_control"
    # the server on which `postgres` provisions tenants' databases; the control database's own where none is named
    tenant_server_host: str | None = None
    tenant_server_port: int = 5432

    # TLS to PostgreSQL, for the control database and for every tenant database
    database_sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    database_sslrootcert: str | None = None

    # the event broker
    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    kafka_ssl_ca_location: str | None = None
    kafka_session_timeout_seconds: float = 6.0
    kafka_replication_factor: int = 1

    # Valkey cluster
    valkey_nodes: str = "127.0.0.1:6379"
    valkey_tls: bool = False
    valkey_ca_file: str | None = None
    valkey_timeout_seconds: float = 0.2

    # calls to other services, through the internal listener or the mesh
    internal_url: str = "http://127.0.0.1:8081"
    # longer than a transaction may take, so that the called service can say that a tenant's database is down
    internal_timeout_seconds: float = 7.0

    # the secret store
    secret_store: Literal["file", "aws", "kubernetes"] = "file"
    secret_store_dir: str = ".bezant/secrets"
    secret_store_key_file: str = ".bezant/secrets.key"
    # mounted Kubernetes Secrets that hold the platform's own secrets; the others are in the store
    platform_secrets_dir: str | None = None
    aws_region: str | None = None
    aws_endpoint_url: str | None = None
    # regions, with commas, to which AWS copies each secret that is made here, so that a fail-over finds it
    secret_replica_regions: str = ""
    # the key that encrypts secrets made here, such as an alias that each region has; empty: AWS's own
    secret_kms_key_id: str = ""

    # tenant connection pools, per process
    pool_min_connections: int = Field(2, ge=1)
    pool_max_connections: int = Field(20, ge=1)
    process_connection_cap: int = Field(100, ge=2)
    pool_idle_seconds: float = 300.0
    pool_checkout_timeout_seconds: float = 4.0
    transaction_timeout_seconds: float = 5.0
    statement_timeout_seconds: float = 10.0
    connect_timeout_seconds: int = 2

    # leases, hints, sweeps
    heartbeat_seconds: float = 5.0
    lease_seconds: float = 12.0
    due_work_poll_seconds: float = 1.0
    full_sweep_seconds: float = 600.0
    directory_cache_seconds: float = 15.0
    api_key_cache_seconds: float = Field(15.0, le=30.0)
    # how often every replica reads all keys and tenants, so that the grace holds for those that it has not served
    control_learn_seconds: float = Field(60.0, gt=0.0)
    # how long a replica goes on with the keys and tenants that it knows while the control database does not answer,
    # after the 30 seconds within which a revocation bites
    control_grace_seconds: float = Field(300.0, ge=0.0)
    outbox_retention_hours: float = 72.0

    # the edge
    body_limit_bytes: int = 1024 * 1024
    rate_limit_per_second: int = 5000
    # how many requests are worked on at once: as many as leave within the target, by Little's law (docs/overload.md)
    admission_target_seconds: float = Field(0.4, gt=0)
    admission_smallest: int = Field(32, ge=1)
    admission_initial: int = Field(128, ge=1)
    admission_largest: int = Field(256, ge=1)
    admission_queue_seconds: float = Field(0.01, ge=0)
    # how long a caller waits for an answer; shorter than the gateway does
    request_deadline_seconds: float = Field(10.0, gt=0)
    shutdown_grace_seconds: float = 25.0

    # telemetry
    log_level: str = "INFO"
    trace_file: str | None = None
    trace_sample_ratio: float = 0.01
    otlp_endpoint: str | None = None

    @property
    def tenant_server(self) -> tuple[str, int] | None:
        """Host and port of the server that has tenants' databases in the control database's place, if one is named."""
        return None if self.tenant_server_host is None else (self.tenant_server_host, self.tenant_server_port)
