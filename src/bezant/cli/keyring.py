"""The API keys that the CLI keeps for a local platform: one file in the data directory, readable by its owner only."""

import os
from pathlib import Path

import msgspec


class Keyring:
    """Keys by name: `admin`, and each tenant's by its slug."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir.expanduser().absolute() / "keyring.json"

    def get(self, name: str) -> str | None:
        """Return the key, if it is kept."""
        return self._read().get(name)

    def put(self, name: str, api_key: str) -> None:
        """Keep a key."""
        keys = self._read() | {name: api_key}
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(keys))
        temporary.replace(self._path)

    def names(self) -> list[str]:
        """Return the names under which keys are kept."""
        return sorted(self._read())

    def _read(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
