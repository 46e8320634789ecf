"""Settings of the audit service (`BEZANT_AUDIT_...`)."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AuditSettings(BaseSettings):
    """How the log is written."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_AUDIT_", extra="ignore")

    linger_seconds: float = Field(0.25, ge=0, le=5)
    """How long a batch waits before it is appended: a log need not be quick, and larger batches cost less."""
