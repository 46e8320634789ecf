"""Platform secrets from mounted files, everything else from the store behind.

In a cluster the platform's own secrets are few and known: an operator mounts them, and a process needs no right to
read them from the store. Credentials of tenants come and go while the process runs, and are read from the store itself.
"""

from typing import Final

from bezant.foundation.secrets.kubernetes_files import KubernetesFiles
from bezant.foundation.secrets.store import SecretMissing, SecretStore

PLATFORM_PREFIX: Final = "bezant/platform/"


class MountedPlatformSecrets:
    """Reads platform secrets from a mount where there is one; writes go to the store behind, which mounts follow."""

    def __init__(self, mounted: KubernetesFiles, behind: SecretStore) -> None:
        self._mounted = mounted
        self._behind = behind

    async def read(self, name: str) -> dict[str, str]:
        """See `SecretStore.read`."""
        if name.startswith(PLATFORM_PREFIX):
            try:
                return await self._mounted.read(name)
            except SecretMissing:
                return await self._behind.read(name)
        return await self._behind.read(name)

    async def write(self, name: str, value: dict[str, str]) -> None:
        """See `SecretStore.write`. A mount shows the new value when its operator has fetched it."""
        await self._behind.write(name, value)

    async def delete(self, name: str) -> None:
        """See `SecretStore.delete`."""
        await self._behind.delete(name)

    async def names(self, prefix: str) -> list[str]:
        """See `SecretStore.names`."""
        mounted = await self._mounted.names(prefix) if prefix.startswith(PLATFORM_PREFIX) else []
        return sorted({*mounted, *await self._behind.names(prefix)})
