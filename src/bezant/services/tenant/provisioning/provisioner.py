"""What a provisioner does for the sagas. Every method is idempotent: it may have been cut off half-way before."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from bezant.services.tenant.provisioning.export import Manifest


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a tenant's database is."""

    writer_host: str
    writer_port: int
    reader_host: str
    reader_port: int
    database_name: str

    @property
    def writer_url(self) -> str:
        """The URL of the writer endpoint, without credentials."""
        return f"postgresql://{self.writer_host}:{self.writer_port}/{self.database_name}"

    @property
    def reader_url(self) -> str:
        """The URL of the reader endpoint, without credentials."""
        return f"postgresql://{self.reader_host}:{self.reader_port}/{self.database_name}"


class Provisioner(Protocol):
    """Makes and removes tenant databases and their roles. Failures raise; the saga retries, then compensates."""

    async def provision_database(self, tenant_id: UUID) -> Placement:
        """Create the tenant's database, which nobody but its own roles can connect to."""

    async def run_migrations(self, placement: Placement) -> list[str]:
        """Bring the database to this version's schema and return what was applied."""

    async def create_roles(self, tenant_id: UUID, placement: Placement, *, slot: str) -> None:
        """Create one role for each service that may connect to this database; nobody can log in with it yet."""

    async def set_password(self, tenant_id: UUID, schema: str, *, slot: str, password: str) -> str:
        """Let the role log in with this password and return its name."""

    async def retire_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """End log-ins of the roles of the slot; sessions that use them are closed."""

    async def drop_roles(self, tenant_id: UUID) -> None:
        """Remove all roles of the tenant."""

    async def export_database(self, tenant_id: UUID, placement: Placement, directory: Path) -> Manifest | None:
        """Write everything in the tenant's database to a directory; None when there is no database any more."""

    async def drop_database(self, tenant_id: UUID) -> None:
        """Remove the tenant's database and whoever is connected to it."""
