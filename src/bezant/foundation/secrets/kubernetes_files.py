"""Secrets as Kubernetes mounts them: a directory a secret, a file a key, swapped by a symbolic link.

External Secrets (or the tenant service's own writer) keeps the mounted objects current. The kubelet replaces
the `..data` link of a volume as a whole and removes the old version, so a reader takes what it read only if the
link is still the same afterwards:
https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from bezant.foundation.secrets.store import SecretMissing, SecretStoreUnavailable

T = TypeVar("T")
_CURRENT: Final = "..data"
_READS: Final = 100


class KubernetesFiles:
    """Secret store over mounted Kubernetes Secrets. A slash in a name is a double underscore in the directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _mount(self, name: str) -> Path:
        entry = name.replace("/", "__")
        if entry.startswith("."):
            raise SecretMissing(name)
        return self._directory / entry

    def _read(self, name: str) -> dict[str, str]:
        mount = self._mount(name)
        for _ in range(_READS):
            version = _version(mount)
            try:
                value = _files(mount if version is None else mount / version)
            except FileNotFoundError:
                value = {}
            if _version(mount) == version:
                if not value:
                    raise SecretMissing(name)
                return value
        raise SecretStoreUnavailable(f"the secret {name} in {self._directory} is replaced faster than it can be read")

    def _write(self, name: str, value: dict[str, str]) -> None:
        # The same atomic swap that the kubelet does, so that the store also works on a writable volume.
        mount = self._mount(name)
        mount.mkdir(parents=True, exist_ok=True)
        with _one_writer(mount):
            made = Path(tempfile.mkdtemp(dir=mount, prefix="..version-"))
            for key, text in value.items():
                (made / key).write_text(text)
            previous = _version(mount)
            link = mount / "..data_new"
            link.unlink(missing_ok=True)
            link.symlink_to(made.name)
            link.replace(mount / _CURRENT)
            if previous is not None:
                shutil.rmtree(mount / previous)

    def _delete(self, name: str) -> None:
        mount = self._mount(name)
        with contextlib.suppress(FileNotFoundError):
            (mount / _CURRENT).unlink(missing_ok=True)
            shutil.rmtree(mount)

    def _names(self, prefix: str) -> list[str]:
        if not self._directory.is_dir():
            return []
        mounts = (entry for entry in self._directory.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        named = ((mount, mount.name.replace("__", "/")) for mount in mounts)
        return sorted(name for mount, name in named if name.startswith(prefix) and (_version(mount) or _files(mount)))

    async def _call(self, name: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except (OSError, UnicodeDecodeError) as error:
            raise SecretStoreUnavailable(
                f"the secret {name} in {self._directory} cannot be used ({type(error).__name__}): check that the "
                "volume is mounted, and writable if this service writes secrets"
            ) from None

    async def read(self, name: str) -> dict[str, str]:
        """See `SecretStore.read`. A volume that is swapped meanwhile is read again."""
        return await self._call(name, lambda: self._read(name))

    async def write(self, name: str, value: dict[str, str]) -> None:
        """See `SecretStore.write`."""
        await self._call(name, lambda: self._write(name, value))

    async def delete(self, name: str) -> None:
        """See `SecretStore.delete`."""
        await self._call(name, lambda: self._delete(name))

    async def names(self, prefix: str) -> list[str]:
        """See `SecretStore.names`."""
        return await self._call(prefix, lambda: self._names(prefix))


def _version(mount: Path) -> str | None:
    """Return which version of the secret is current; None for a plain directory without versions."""
    try:
        return str((mount / _CURRENT).readlink())
    except FileNotFoundError:
        return None


def _files(directory: Path) -> dict[str, str]:
    """Return the keys and values in a directory. Raises `FileNotFoundError` when it is removed meanwhile."""
    files = [entry for entry in directory.iterdir() if not entry.name.startswith(".") and entry.is_file()]
    return {file.name: file.read_text() for file in files}


@contextlib.contextmanager
def _one_writer(mount: Path) -> Iterator[None]:
    """Let the other writers of this secret wait, whatever process they are in (flock(2))."""
    descriptor = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
