"""Settings of the Aurora provisioner, `BEZANT_AURORA_...` in the environment.

The region and the endpoint are those of the process (`BEZANT_AWS_REGION`, `BEZANT_AWS_ENDPOINT_URL`).
"""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class AuroraSettings(BaseSettings):
    """Which clusters are ours, and how those of the dedicated tier are made."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_AURORA_", extra="ignore")

    model: str = "production"
    """The deployment: clusters with the tag `bezant:model` of this value are ours, and made ones get it."""
    tenants_per_cluster: int = Field(10, ge=1)
    """How many tenants a shared cluster takes that has no tag `bezant:tenants` of its own."""

    zones: str = "us-east-1a,us-east-1b,us-east-1c"
    """Where the writer and the readers stand, with commas; the writer's zone goes round by tenant."""
    readers: int = Field(2, ge=0, le=15)
    instance_class: str = "db.r6g.large"
    """`db.serverless` makes Serverless v2 instances, which then scale between the two capacities."""
    serverless_min_capacity: float = Field(0.5, ge=0, le=256)
    serverless_max_capacity: float = Field(16.0, ge=1, le=256)
    engine_version: str = "17.5"
    port: int = 5432
    subnet_group: str = ""
    security_group_ids: str = ""
    """With commas."""
    parameter_group: str = ""
    """Of the cluster; empty: the engine's default."""
    kms_key_id: str = ""
    """The key of storage, backups and Performance Insights; empty: the account's own key for RDS."""
    log_retention_days: int = Field(365, ge=1)
    """One of the numbers that CloudWatch Logs knows."""
    backup_retention_days: int = Field(7, ge=1, le=35)
    deletion_protection: bool = True
    monitoring_role_arn: str = ""
    """For Enhanced Monitoring every 60 s; empty: without."""

    secondary_region: str = ""
    """Makes each dedicated cluster the primary of a global database with a follower there; empty: one region."""
    secondary_zone: str = ""
    secondary_subnet_group: str = ""
    secondary_security_group_ids: str = ""
    secondary_parameter_group: str = ""
    secondary_kms_key_id: str = ""
    """A key of that region: an encrypted follower is not made without one."""

    create_timeout_seconds: float = Field(2_400.0, gt=0)
    """How long a dedicated cluster may take, from its first step on, also over crashes."""
    delete_timeout_seconds: float = Field(2_400.0, gt=0)
    api_attempts: int = Field(3, ge=1, le=10)
    """How often one request is sent when AWS throttles or stumbles, before the step itself waits and asks again."""
    poll_seconds: float = Field(5.0, gt=0)
    """Between the first two looks at what AWS makes; it doubles up to `poll_max_seconds`, with full jitter."""
    poll_max_seconds: float = Field(30.0, gt=0)

    @property
    def zone_names(self) -> list[str]:
        """The zones in their order."""
        return _listed(self.zones)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.zone_names:
            raise ValueError("BEZANT_AURORA_ZONES names no zone")
        if self.secondary_region and not self.secondary_zone.startswith(self.secondary_region):
            raise ValueError("BEZANT_AURORA_SECONDARY_ZONE must be a zone of BEZANT_AURORA_SECONDARY_REGION")
        if self.secondary_region and not self.secondary_kms_key_id:
            raise ValueError("BEZANT_AURORA_SECONDARY_KMS_KEY_ID is not set: no follower is made without a key")
        if self.serverless_max_capacity < self.serverless_min_capacity:
            raise ValueError("BEZANT_AURORA_SERVERLESS_MAX_CAPACITY is below the minimum")
        return self

    def security_groups(self, *, secondary: bool = False) -> list[str]:
        """The security groups of a region."""
        return _listed(self.secondary_security_group_ids if secondary else self.security_group_ids)


def _listed(text: str) -> list[str]:
    return [entry for entry in (part.strip() for part in text.split(",")) if entry]
