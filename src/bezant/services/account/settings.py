"""Settings of the account service (`BEZANT_ACCOUNT_...`)."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AccountSettings(BaseSettings):
    """When what was begun and not finished is taken up by somebody else."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_ACCOUNT_", extra="ignore")

    unfinished_after_seconds: float = Field(6.0, gt=0)
    """Longer than a call to the ledger may take, so that what is still under way is left alone."""
