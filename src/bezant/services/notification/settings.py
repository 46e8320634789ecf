"""Settings of the notification service (`BEZANT_NOTIFICATION_...`)."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class NotificationSettings(BaseSettings):
    """Where webhooks may go, and how they are sent."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_NOTIFICATION_", extra="ignore")

    allow_http: bool = False
    """Allow endpoints without TLS. For a laptop."""
    allow_private_targets: bool = False
    """Allow endpoints on loopback and private addresses. For a laptop."""
    linger_seconds: float = Field(0.03, ge=0, le=5)
    """How long a batch of events waits before its messages are enqueued: larger batches cost less."""
    max_endpoints: int = Field(50, ge=1)
    """Endpoints a tenant may have."""
    request_timeout_seconds: float = Field(10.0, gt=0)
    schedule_compression: float = Field(1.0, ge=1)
    """Divides the delays between attempts; 1 is the schedule of the specification."""
    lease_seconds: float = Field(30.0, gt=0)
    """How long a claimed delivery is left to its sender; longer than the request timeout."""
    first_room: int = Field(8, ge=1)
    """Requests in flight to an endpoint that nothing is known about; grows while it answers, shrinks while not."""
    max_room: int = Field(64, ge=1)
    """Requests in flight to one endpoint from one process."""
    max_in_flight: int = Field(512, ge=1)
    """Requests in flight from one process."""
