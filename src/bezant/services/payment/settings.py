"""Settings of the payment service, `BEZANT_PAYMENT_...` in the environment."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class PaymentSettings(BaseSettings):
    """How long to wait for the fraud service, and when a payment counts as left behind."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_PAYMENT_", extra="ignore")

    fraud_timeout_seconds: float = 0.25
    stuck_after_seconds: float = 5.0
