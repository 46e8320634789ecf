"""Platform secrets from mounted files, everything else from the store behind.

In a cluster the platform's own secrets are few and known: an operator mounts them, and a process needs no right to
read them from the store. Credentials of tenants come and go while the process runs, and are read from the store itself.
"""

from typing import Final

from bezant.foundation.secrets.kubernetes_files import KubernetesFiles
from bezant.foundation.secrets.store import SecretStore

PLATFORM_PREFIX: Final = "bezant/platform/"


class MountedPlatformSecrets:
    """Reads platform secrets from mounts alone: one that is not mounted does not exist for this process.

    Writes go to the store behind, which the mounts follow.
    """

    def __init__(self, mounted: KubernetesFiles, behind: SecretStore) -> None:
        self._mounted = mounted
        self._behind = behind

    def _store(self, name: str) -> SecretStore:
        return self._mounted if name.startswith(PLATFORM_PREFIX) else self._behind

    async def read(self, name: str) -> dict[str, str]:
        """See `SecretStore.read`."""
        return await self._store(name).read(name)

    async def write(self, name: str, value: dict[str, str]) -> None:
        """See `SecretStore.write`. A mount shows the new value when its operator has fetched it."""
        await self._behind.write(name, value)

    async def delete(self, name: str) -> None:
        """See `SecretStore.delete`."""
        await self._behind.delete(name)

    async def names(self, prefix: str) -> list[str]:
        """See `SecretStore.names`."""
        return await self._store(prefix).names(prefix)
