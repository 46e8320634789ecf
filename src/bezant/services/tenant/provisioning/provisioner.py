"""What a provisioner does for the sagas. Every method is idempotent: it may have been cut off half-way before."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from bezant.services.tenant.provisioning.export import Manifest
from bezant.services.tenant.provisioning.inventory import Resource

Report = Callable[[str], Awaitable[None]]
"""Says how far a step has come, for whoever watches the operation. Raises when the operation is not ours any more, so
that nothing is made after another process has taken it over."""


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

    async def provision_database(self, tenant_id: UUID, *, tier: str, report: Report) -> Placement:
        """Create the tenant's database, which nobody but its own roles can connect to.

        Raises `GivenUp` when trying again now would not help.
        """

    async def run_migrations(self, placement: Placement) -> list[str]:
        """Bring the database to this version's schema and return what was applied."""

    async def create_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """Create one role for each service that may connect to this database; nobody can log in with it yet."""

    async def set_password(self, tenant_id: UUID, schema: str, *, slot: str, password: str) -> str:
        """Let the role log in with this password and return its name."""

    async def retire_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """End log-ins of the roles of the slot; sessions that use them are closed."""

    async def drop_roles(self, tenant_id: UUID) -> None:
        """Remove all roles of the tenant."""

    async def export_database(self, tenant_id: UUID, placement: Placement, directory: Path) -> Manifest | None:
        """Write everything in the tenant's database to a directory; None when there is no database any more."""

    async def drop_database(self, tenant_id: UUID, *, final_snapshot: bool, report: Report) -> None:
        """Remove the tenant's database, whoever is connected to it, and what was made for this tenant alone.

        A `final_snapshot` is kept where there are snapshots, until `remove_final_snapshot`.
        """

    async def remove_final_snapshot(self, tenant_id: UUID) -> None:
        """Remove what `drop_database` kept; nothing to remove is not an error."""

    async def inventory(self) -> list[Resource]:
        """Return everything that was made for tenants and is there now."""
