"""Signing secrets at rest: AES-256-GCM under a key of the platform that is kept in the secret store.

A copy of a tenant's database is then not enough to forge webhooks. The endpoint's id is authenticated with the
secret, so that a stored secret cannot be moved to another endpoint.
"""

import base64
import os
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bezant.contracts.problems import Unavailable
from bezant.foundation.secrets import SecretMissing, SecretStore, platform_secret_name
from bezant.foundation.secrets.store import SecretStoreUnavailable

WEBHOOK_KEY: Final = platform_secret_name("webhook-secrets")
_FIELD: Final = "key"
_NONCE_BYTES: Final = 12


class WebhookKeyUnavailable(Unavailable):
    """The secret store does not give the key that endpoint secrets are encrypted with."""

    code = "webhook_key_unavailable"
    title = "Endpoint secrets cannot be read now"


class SecretBox:
    """Encrypts and decrypts endpoint secrets; reads the key when it is first needed."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._cipher: AESGCM | None = None

    async def seal(self, endpoint_id: UUID, secret: str) -> bytes:
        """Return the secret as it is stored. Raises `WebhookKeyUnavailable`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + (await self._opened()).encrypt(nonce, secret.encode(), endpoint_id.bytes)

    async def open(self, endpoint_id: UUID, sealed: bytes) -> str:
        """Return a stored secret. Raises `WebhookKeyUnavailable`, and `InvalidTag` if it is not this endpoint's."""
        cipher = await self._opened()
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], endpoint_id.bytes).decode()

    async def _opened(self) -> AESGCM:
        if self._cipher is None:
            try:
                secret = await self._secrets.read(WEBHOOK_KEY)
            except (SecretMissing, SecretStoreUnavailable) as error:
                raise WebhookKeyUnavailable(
                    f"The key of the endpoint secrets cannot be read ({error}).", retry_after_seconds=5
                ) from error
            self._cipher = AESGCM(base64.b64decode(secret[_FIELD]))
        return self._cipher
