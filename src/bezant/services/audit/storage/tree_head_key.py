"""The key that signs tree heads: one Ed25519 key of the platform, kept in the secret store.

The secret holds the present key and the notes by which each key before it handed over to the next.
"""

import base64
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bezant.foundation.identity.internal_tokens import new_signing_key
from bezant.foundation.secrets import SecretMissing, SecretStore, platform_secret_name
from bezant.foundation.secrets.store import SecretStoreUnavailable
from bezant.services.audit.domain.problems import TreeHeadKeyUnavailable
from bezant.services.audit.domain.tree_heads import sign_rotation, verifier_key

TREE_HEAD_KEY: Final = platform_secret_name("audit-signing")
_FIELD: Final = "private_key"
_ROTATIONS: Final = "rotations"
RELOAD_SECONDS: Final = 30.0
"""How long a process goes on with the key it has read."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The present key, and how it came to be the present one."""

    key: Ed25519PrivateKey
    rotations: list[str]
    """Signed notes, oldest first."""

    @property
    def public(self) -> str:
        """The verifier key."""
        return verifier_key(self.key)


class TreeHeadKey:
    """Reads the key when it is needed, and again from time to time."""

    def __init__(self, secrets: SecretStore, *, reload_seconds: float = RELOAD_SECONDS) -> None:
        self._secrets = secrets
        self._reload_seconds = reload_seconds
        self._key: SigningKey | None = None
        self._read_at = 0.0

    async def get(self) -> SigningKey:
        """Return the key; one that was read before serves on while the store is away.

        Raises `TreeHeadKeyUnavailable` when no key has been read yet.
        """
        now = time.monotonic()
        if self._key is None or now - self._read_at >= self._reload_seconds:
            try:
                self._key = _signing_key(await self._secrets.read(TREE_HEAD_KEY))
            except (SecretMissing, SecretStoreUnavailable) as error:
                if self._key is None:
                    raise TreeHeadKeyUnavailable(
                        f"The key that signs tree heads cannot be read ({error}); entries and proofs are not affected.",
                        retry_after_seconds=5,
                    ) from error
            self._read_at = now
        return self._key


def _signing_key(secret: dict[str, str]) -> SigningKey:
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret[_FIELD]))
    return SigningKey(key, json.loads(secret.get(_ROTATIONS, "[]")))


async def rotate_tree_head_key(secrets: SecretStore) -> SigningKey:
    """Put a fresh key in the place of the present one, which signs that it does, and return it.

    The old private key is gone afterwards. Raises `SecretMissing`, `SecretStoreUnavailable`.
    """
    present = _signing_key(await secrets.read(TREE_HEAD_KEY))
    private, public = new_signing_key()
    new = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private))
    rotations = [*present.rotations, sign_rotation(present.key, new, datetime.now(UTC))]
    await secrets.write(TREE_HEAD_KEY, {_FIELD: private, "public_key": public, _ROTATIONS: json.dumps(rotations)})
    return SigningKey(new, rotations)
