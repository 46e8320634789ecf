"""Settings of the tenant service, `BEZANT_TENANT_...` in the environment."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class TenantSettings(BaseSettings):
    """How long a saga waits for the fleet and is left to its runner, and which tiers can be provisioned here."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_TENANT_", extra="ignore")

    fleet_timeout_seconds: float = 600.0
    saga_lease_seconds: float = 6.0
    """After so long without a sign of life its runner counts as gone, and another carries a saga on."""
    tiers: str = "shared"
