"""What a person or a test may choose about a local platform. The options travel to a detached supervisor as JSON."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from bezant.contracts.fleet import SERVICES
from bezant.local.errors import InvalidOptions
from bezant.local.ports import DEFAULT_GATEWAY_PORT, MAX_REPLICAS, Ports

DEFAULT_PORT_BASE: Final = 18000


PATIENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BEZANT_INTERNAL_TIMEOUT_SECONDS": "12",
        "BEZANT_PAYMENT_FRAUD_TIMEOUT_SECONDS": "10",
        "BEZANT_FRAUD_VELOCITY_TIMEOUT_SECONDS": "5",
        "BEZANT_VALKEY_TIMEOUT_SECONDS": "4",
    }
)
"""Settings under which a slow answer is waited for. Otherwise a machine that is busy with something else gives payments
another outcome: after 250 ms without the fraud service the tenant's policy decides, and after 80 ms without the
counters rules of velocity are passed over."""


class ExternalParts(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of infrastructure that runs elsewhere; a part with an address here is not started."""

    postgres: str | None = None
    """`host:port` of a PostgreSQL 16 or later."""
    postgres_user: str = "postgres"
    """A role of it that may create roles and databases."""
    postgres_password_file: str | None = None
    """The file with that role's password. Without it the database must have been prepared already."""
    valkey_nodes: str | None = None
    """`host:port,...` of a Redis or Valkey cluster."""
    kafka_bootstrap: str | None = None
    """`host:port,...` of a Kafka cluster."""


class PlatformOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One local platform."""

    data_dir: str
    gateway_port: int = DEFAULT_GATEWAY_PORT
    port_base: int = DEFAULT_PORT_BASE
    services: tuple[str, ...] = tuple(SERVICES)
    replicas: dict[str, int] = {}
    spare_replicas: dict[str, int] = {}
    """How many replicas of a service may be added while the platform runs: connections are kept for them."""
    versions: dict[str, str] = {}
    """The version that the replicas of a service call themselves; the installed one where nothing is said."""
    environment: dict[str, str] = {}
    """Settings for every service process, on top of those the platform makes; never a secret."""
    service_environment: dict[str, dict[str, str]] = {}
    """Settings for the processes of one service, or for one process by name."""
    external: ExternalParts = ExternalParts()
    control_server: bool = False
    """Whether the control database has a PostgreSQL server of its own, as it has a cluster of its own in production."""
    sign_in: bool = False
    """Whether the platform has an OpenID provider of its own for people to sign in with."""
    log_level: str = "INFO"
    stop_grace_seconds: float = 30.0
    longest_backoff_seconds: float = 10.0
    """How long at most a service that keeps ending is left before it is started again."""

    def __post_init__(self) -> None:
        for service in (*self.services, *self.replicas, *self.spare_replicas, *self.versions):
            if service not in SERVICES:
                raise InvalidOptions(f"there is no service {service!r}; the services are {', '.join(SERVICES)}")
        if self.control_server and self.external.postgres is not None:
            raise InvalidOptions(
                "an external PostgreSQL has the control database too; leave out either it or the control server"
            )
        for service, count in self.replicas.items():
            if not 1 <= count <= MAX_REPLICAS:
                raise InvalidOptions(f"{service} can have 1 to {MAX_REPLICAS} replicas, not {count}")

    @property
    def ports(self) -> Ports:
        """Where each part listens."""
        return Ports(gateway=self.gateway_port, base=self.port_base)

    @property
    def directory(self) -> Path:
        """The data directory, absolute."""
        return Path(self.data_dir).expanduser().absolute()

    def replica_count(self, service: str) -> int:
        """Return how many replicas a service starts with."""
        return self.replicas.get(service, 1)
