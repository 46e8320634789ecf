"""Secrets as encrypted files, for a laptop: one file a secret, AES-256-GCM with the name as associated data.

The key is a file of its own with mode 0600. A file that was moved to another name does not decrypt.
"""

import asyncio
import base64
import json
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bezant.foundation.secrets.store import SecretMissing, SecretStoreUnavailable

_NONCE_BYTES = 12


class EncryptedFiles:
    """Secret store in a directory. Writes replace whole files, so that a crash leaves the old or the new."""

    def __init__(self, directory: Path, key_file: Path) -> None:
        """Open the store. Raises `SecretStoreUnavailable` when the key file is missing or not ours."""
        try:
            key = base64.b64decode(key_file.read_bytes(), validate=True)
            self._cipher = AESGCM(key)
        except (OSError, ValueError) as error:
            raise SecretStoreUnavailable(
                f"the key of the encrypted secret store cannot be read from {key_file}: {error}. "
                "`bezant up` creates it; set BEZANT_SECRET_STORE_KEY_FILE when it lies elsewhere"
            ) from error
        self._directory = directory

    @staticmethod
    def create_key(key_file: Path) -> None:
        """Write a fresh 256-bit key with mode 0600 unless the file exists."""
        key_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(AESGCM.generate_key(256)))

    def _path(self, name: str) -> Path:
        path = (self._directory / f"{name}.enc").resolve()
        if not path.is_relative_to(self._directory.resolve()):
            raise SecretMissing(name)
        return path

    def _read(self, name: str) -> dict[str, str]:
        try:
            blob = self._path(name).read_bytes()
        except FileNotFoundError as error:
            raise SecretMissing(name) from error
        try:
            plain = self._cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            # ValueError: shorter than a nonce.
            raise SecretStoreUnavailable(
                f"the secret {name} does not decrypt with this store's key: the key file or the secret was replaced"
            ) from error
        value: dict[str, str] = json.loads(plain)
        return value

    def _write(self, name: str, value: dict[str, str]) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        nonce = os.urandom(_NONCE_BYTES)
        blob = nonce + self._cipher.encrypt(nonce, json.dumps(value).encode(), name.encode())
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)

    def _names(self, prefix: str) -> list[str]:
        found = (path.relative_to(self._directory).as_posix() for path in self._directory.rglob("*.enc"))
        return sorted(name.removesuffix(".enc") for name in found if name.startswith(prefix))

    async def read(self, name: str) -> dict[str, str]:
        """See `SecretStore.read`."""
        return await asyncio.to_thread(self._read, name)

    async def write(self, name: str, value: dict[str, str]) -> None:
        """See `SecretStore.write`."""
        await asyncio.to_thread(self._write, name, value)

    async def delete(self, name: str) -> None:
        """See `SecretStore.delete`."""
        await asyncio.to_thread(lambda: self._path(name).unlink(missing_ok=True))

    async def names(self, prefix: str) -> list[str]:
        """See `SecretStore.names`."""
        return await asyncio.to_thread(self._names, prefix)
