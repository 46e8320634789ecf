"""The key that signs tree heads: one Ed25519 key of the platform, kept in the secret store."""

import base64
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bezant.foundation.secrets import SecretMissing, SecretStore, platform_secret_name
from bezant.foundation.secrets.store import SecretStoreUnavailable
from bezant.services.audit.domain.problems import TreeHeadKeyUnavailable

TREE_HEAD_KEY: Final = platform_secret_name("audit-signing")
_FIELD: Final = "private_key"


class TreeHeadKey:
    """Reads the key when it is first needed, and keeps it."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._key: Ed25519PrivateKey | None = None

    async def get(self) -> Ed25519PrivateKey:
        """Return the key. Raises `TreeHeadKeyUnavailable`."""
        if self._key is None:
            try:
                secret = await self._secrets.read(TREE_HEAD_KEY)
            except (SecretMissing, SecretStoreUnavailable) as error:
                raise TreeHeadKeyUnavailable(
                    f"The key that signs tree heads cannot be read ({error}); entries and proofs are not affected.",
                    retry_after_seconds=5,
                ) from error
            self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret[_FIELD]))
        return self._key
