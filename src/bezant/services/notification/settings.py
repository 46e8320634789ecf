"""Settings of the notification service (`BEZANT_NOTIFICATION_...`)."""

from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bezant.services.notification.domain.targets import Network, networks_of


class NotificationSettings(BaseSettings):
    """Where webhooks and e-mail may go, how they are sent, and how long their history is kept."""

    model_config = SettingsConfigDict(env_prefix="BEZANT_NOTIFICATION_", extra="ignore")

    allow_http: bool = False
    """Allow endpoints without TLS. For a laptop."""
    allowed_networks: str = ""
    """Networks that are not public and may yet be sent to, with commas: `127.0.0.0/8,::1/128` on a laptop."""
    ca_file: str | None = None
    """A PEM file of certificate authorities that receivers' certificates may come from, besides the system's."""
    nameservers: str = ""
    """Who is asked for the names of webhook endpoints, with commas (`10.0.0.2,10.0.0.3:53`); by default who the system
    asks."""
    linger_seconds: float = Field(0.03, ge=0, le=5)
    """How long a batch of events waits before its messages are enqueued: larger batches cost less."""
    max_endpoints: int = Field(50, ge=1)
    """Endpoints, and e-mail subscriptions, a tenant may have."""
    request_timeout_seconds: float = Field(10.0, gt=0)
    schedule_compression: float = Field(1.0, ge=1)
    """Divides the delays between attempts and the times that circuits stay open; 1 is the schedule of the
    specification."""
    lease_seconds: float = Field(30.0, gt=0)
    """How long a claimed delivery is left to its sender; longer than the request timeout."""
    first_room: int = Field(8, ge=1)
    """Requests in flight to an endpoint that nothing is known about; grows while it answers, shrinks while not."""
    max_room: int = Field(64, ge=1)
    """Requests in flight to one endpoint from one process."""
    max_in_flight: int = Field(512, ge=1)
    """Requests in flight from one process."""
    max_in_flight_of_tenant: int = Field(128, ge=1)
    """Requests in flight for one tenant from one process."""
    give_up_hours: int = Field(120, ge=1)
    """An endpoint that has failed for so long without taking anything is disabled."""
    retention_hours: int = Field(720, ge=48)
    """How long messages, deliveries and attempts are kept: what can be replayed and looked up."""
    inbox_retention_hours: int = Field(168, ge=1)
    """How long it is remembered which events were enqueued; longer than the outboxes keep what they published."""

    smtp_host: str = ""
    """The mail server; without one there are no e-mail subscriptions."""
    smtp_port: int = Field(587, ge=1, le=65_535)
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_timeout_seconds: float = Field(10.0, gt=0)
    smtp_connections: int = Field(8, ge=1)
    """Connections to the mail server from one process."""
    mail_from: str = "Bezant <no-reply@bezant.invalid>"

    @field_validator("allowed_networks")
    @classmethod
    def _readable(cls, text: str) -> str:
        networks_of(text)
        return text

    @property
    def nameserver_list(self) -> tuple[str, ...]:
        """The name servers that are asked instead of the system's."""
        return tuple(each.strip() for each in self.nameservers.split(",") if each.strip())

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks that may be sent to though they are not public."""
        return networks_of(self.allowed_networks)
