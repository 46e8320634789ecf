"""Settings of the fraud service (`BEZANT_FRAUD_...`)."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class FraudSettings(BaseSettings):
    """How velocity is counted and how long it is waited for."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_FRAUD_", extra="ignore")

    velocity_timeout_seconds: float = Field(0.08, gt=0)
    """Counters that take longer are done without, and the assessment says so."""
    velocity_circuit_seconds: float = Field(1.0, gt=0)
    """After a failure, how long the counters are not asked at all."""
    velocity_partitions: int = Field(2, ge=1, le=256)
    """Hash tags that one tenant's counters are spread over: fewer make larger script calls, more use more shards.
    Changing it starts the counters afresh, from the tenant's history."""
    counting_horizon_seconds: int = Field(300, ge=30)
    """How old a payment may be and still be counted: for so long its id is remembered, so that it counts once."""
    partner_memory_days: int = Field(90, ge=1)
    """How long an account, device, address or pair is remembered after its last payment."""
    partner_limit: int = Field(2_000, ge=10)
    """How many partners are remembered for one account, device or address."""
    recount_claim_seconds: int = Field(20, ge=5)
    """How long a process that counts a tenant's history anew may be silent before another takes over."""
    model_file: Path | None = None
    """A model's artefact; its score stands beside the rules on every assessment."""
    model_mode: Literal["shadow", "active"] = "shadow"
    """In shadow the score is kept with the assessment and rules see 0; active, rules see it as `model_score`."""
