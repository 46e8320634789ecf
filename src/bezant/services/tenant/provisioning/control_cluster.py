"""Provision on one PostgreSQL server: the control database's, a laptop's only one, unless the settings name another.

A database each, cloned from a template.
"""

from pathlib import Path
from uuid import UUID

from bezant.foundation.control.cluster import template_name
from bezant.foundation.secrets import SecretStore
from bezant.foundation.settings import Settings
from bezant.services.tenant.provisioning.cluster_databases import ClusterDatabases, database_name
from bezant.services.tenant.provisioning.export import Manifest
from bezant.services.tenant.provisioning.inventory import Resource
from bezant.services.tenant.provisioning.provisioner import Placement, Report


class ControlCluster:
    """Provisioner on the control database's server or the one in its place, whatever the tier."""

    def __init__(self, settings: Settings, secrets: SecretStore) -> None:
        own = (settings.control_database_host, settings.control_database_port)
        self._host, self._port = settings.tenant_server or own
        self._databases = ClusterDatabases(settings, secrets, host=self._host, port=self._port)

    async def provision_database(self, tenant_id: UUID, *, tier: str, report: Report) -> Placement:
        """See `Provisioner`."""
        await self._databases.create_database(tenant_id, template=template_name())
        return Placement(self._host, self._port, self._host, self._port, database_name(tenant_id))

    async def run_migrations(self, placement: Placement) -> list[str]:
        """See `Provisioner`."""
        return await self._databases.run_migrations(placement.database_name)

    async def create_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """See `Provisioner`."""
        await self._databases.create_roles(tenant_id, slot=slot)

    async def set_password(self, tenant_id: UUID, schema: str, *, slot: str, password: str) -> str:
        """See `Provisioner`."""
        return await self._databases.set_password(tenant_id, schema, slot=slot, password=password)

    async def retire_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """See `Provisioner`."""
        await self._databases.retire_roles(tenant_id, slot=slot)

    async def drop_roles(self, tenant_id: UUID) -> None:
        """See `Provisioner`."""
        await self._databases.drop_roles(tenant_id)

    async def export_database(self, tenant_id: UUID, placement: Placement, directory: Path) -> Manifest | None:
        """See `Provisioner`."""
        return await self._databases.export_database(tenant_id, directory)

    async def drop_database(self, tenant_id: UUID, *, final_snapshot: bool, report: Report) -> None:
        """See `Provisioner`. There are no snapshots here: what is kept is the export."""
        await self._databases.drop_database(tenant_id)

    async def remove_final_snapshot(self, tenant_id: UUID) -> None:
        """See `Provisioner`."""

    async def inventory(self) -> list[Resource]:
        """See `Provisioner`."""
        cluster = f"{self._host}:{self._port}"
        return [
            Resource(kind="database", name=database_name(tenant_id), tenant_id=tenant_id, cluster=cluster, bytes=size)
            for tenant_id, size in await self._databases.sizes()
        ]
