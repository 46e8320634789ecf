"""The interface that the three secret stores fulfil, and the errors they raise."""

from typing import Protocol


class SecretMissing(LookupError):
    """No secret of that name exists. The message names it; it never holds a value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no secret named {name}")
        self.name = name


class SecretStoreUnavailable(RuntimeError):
    """The store does not answer or refuses us. The message says which store and what to check."""


class SecretStore(Protocol):
    """Reads and writes secrets. All methods are safe to call from several processes at once."""

    async def read(self, name: str) -> dict[str, str]:
        """Return the current value. Raises `SecretMissing`, `SecretStoreUnavailable`."""

    async def write(self, name: str, value: dict[str, str]) -> None:
        """Create the secret or replace its value; readers see the old value or the new, never a mixture."""

    async def delete(self, name: str) -> None:
        """Remove the secret; removing a missing one is not an error."""

    async def names(self, prefix: str) -> list[str]:
        """Return the names that start with `prefix`, sorted."""
