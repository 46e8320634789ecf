"""Settings of the payment service, `BEZANT_PAYMENT_...` in the environment."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class PaymentSettings(BaseSettings):
    """How long to wait for the fraud service, and when a payment counts as left behind.

    A payment waits at least `fraud_timeout_seconds` for its score. If the fraud service has answered nobody for
    `fraud_silence_seconds`, the tenant's policy decides; while this process is at its limit it takes
    `fraud_silence_at_limit_seconds`, since then everything is short of processor time. If the service answers others,
    the score is waited for until `fraud_wait_seconds`, which is less than `stuck_after_seconds`: then the resolver
    asks.
    """

    model_config = SettingsConfigDict(env_prefix="BEZANT_PAYMENT_", extra="ignore")

    fraud_timeout_seconds: float = 0.25
    fraud_silence_seconds: float = 3.0
    fraud_silence_at_limit_seconds: float = 15.0
    fraud_wait_seconds: float = 4.0
    stuck_after_seconds: float = 5.0
