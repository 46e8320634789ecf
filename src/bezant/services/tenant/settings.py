"""Settings of the tenant service, `BEZANT_TENANT_...` in the environment."""

from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class TenantSettings(BaseSettings):
    """How long a saga waits for the fleet and is left to its runner, and which tiers can be provisioned here."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_TENANT_", extra="ignore")

    fleet_timeout_seconds: float = 600.0
    saga_lease_seconds: float = 6.0
    """After so long without a sign of life its runner counts as gone, and another carries a saga on."""
    tiers: str = "shared"
    provisioner: Literal["postgres", "aurora"] = "postgres"
    """Where tenant databases come from: the control database's server, or Aurora clusters (`BEZANT_AURORA_...`)."""

    export_dir: str = ".bezant/exports"
    """Where the data of closed tenants is exported to; shared by the replicas of the tenant service."""
    export_retention_days: int = 90

    oidc_issuer: str = ""
    """The OpenID provider that operators sign in with; without one nobody can sign in."""
    oidc_client_id: str = "bezant"
    """Our name at the provider. A client secret, if there is one, lies in the secret store as `oidc-client`."""
    oidc_scopes: str = "openid email"
    oidc_redirect_uris: str = ""
    """Where the provider may send people besides loopback (RFC 8252 §7.3), with commas, each in full."""
    oidc_timeout_seconds: float = 5.0
    oidc_ca_file: str | None = None
    """A PEM file of authorities that the provider's certificate may come from, besides the system's."""
    session_seconds: int = 8 * 3_600
    """How long a session lasts; then its person signs in again."""
    sign_in_seconds: int = 600
    """How long a sign-in may take from its beginning to its end."""
    pending_sign_ins: int = 10_000
    """Sign-ins that may have begun and not ended."""
