"""Secrets as Kubernetes mounts them: a directory a secret, a file a key, swapped by a symbolic link.

External Secrets (or the tenant service's own writer) keeps the mounted objects current. The kubelet replaces
the `..data` link of a volume as a whole, so a reader resolves it once and reads only below the result:
https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
"""

import asyncio
import shutil
import tempfile
from pathlib import Path

from bezant.foundation.secrets.store import SecretMissing


class KubernetesFiles:
    """Secret store over mounted Kubernetes Secrets. A slash in a name is a double underscore in the directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _mount(self, name: str) -> Path:
        return self._directory / name.replace("/", "__")

    def _read(self, name: str) -> dict[str, str]:
        mount = self._mount(name)
        data = mount / "..data"
        current = (data if data.exists() else mount).resolve()
        if not current.is_dir():
            raise SecretMissing(name)
        files = [file for file in current.iterdir() if file.is_file() and not file.name.startswith(".")]
        return {file.name: file.read_text() for file in files}

    def _write(self, name: str, value: dict[str, str]) -> None:
        # The same atomic swap that the kubelet does, so that the store also works on a writable volume.
        mount = self._mount(name)
        mount.mkdir(parents=True, exist_ok=True)
        version = Path(tempfile.mkdtemp(dir=mount, prefix="..version-"))
        for key, text in value.items():
            (version / key).write_text(text)
        previous = (mount / "..data").resolve() if (mount / "..data").exists() else None
        link = mount / "..data_new"
        link.unlink(missing_ok=True)
        link.symlink_to(version.name)
        link.replace(mount / "..data")
        if previous is not None:
            shutil.rmtree(previous, ignore_errors=True)

    async def read(self, name: str) -> dict[str, str]:
        """See `SecretStore.read`. A volume swapped between listing and reading is read again."""
        for _ in range(2):
            try:
                return await asyncio.to_thread(self._read, name)
            except FileNotFoundError:
                continue
        return await asyncio.to_thread(self._read, name)

    async def write(self, name: str, value: dict[str, str]) -> None:
        """See `SecretStore.write`."""
        await asyncio.to_thread(self._write, name, value)

    async def delete(self, name: str) -> None:
        """See `SecretStore.delete`."""
        await asyncio.to_thread(shutil.rmtree, self._mount(name), True)

    async def names(self, prefix: str) -> list[str]:
        """See `SecretStore.names`."""

        def listed() -> list[str]:
            if not self._directory.is_dir():
                return []
            found = (entry.name.replace("__", "/") for entry in self._directory.iterdir() if entry.is_dir())
            return sorted(name for name in found if name.startswith(prefix))

        return await asyncio.to_thread(listed)
