"""Tokens between services: a JWT (RFC 7519) signed with the caller's own Ed25519 key (RFC 8037).

Claims: `iss` the calling service, `aud` the called one, `tenant` the tenant it is about, `exp` a minute ahead.
Each service holds only its own private key, so that one that is taken over cannot speak for another.
"""

import base64
import time
from typing import Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bezant.contracts.problems import Forbidden, Unauthenticated

_LIFETIME_SECONDS: Final = 60
_REUSED_SECONDS: Final = 30
_CACHED_TOKENS: Final = 20_000


def new_signing_key() -> tuple[str, str]:
    """Return a fresh (private, public) Ed25519 key pair as base64 of the raw 32 bytes each."""
    private = Ed25519PrivateKey.generate()
    raw_private = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    raw_public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b64encode(raw_private).decode(), base64.b64encode(raw_public).decode()


class TokenSigner:
    """Signs tokens as one service. A token is reused for half its life: signing costs more than sending."""

    def __init__(self, service: str, private_key: str) -> None:
        self._service = service
        self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private_key))
        self._cache: dict[tuple[str, UUID], tuple[float, str]] = {}

    def token(self, audience: str, tenant_id: UUID) -> str:
        """Return a token for calling `audience` about `tenant_id`."""
        now = time.time()
        cached = self._cache.get((audience, tenant_id))
        if cached is not None and cached[0] > now:
            return cached[1]
        token = jwt.encode(
            {"iss": self._service, "aud": audience, "tenant": str(tenant_id), "exp": int(now) + _LIFETIME_SECONDS},
            self._key,
            algorithm="EdDSA",
        )
        if len(self._cache) >= _CACHED_TOKENS:
            self._cache.clear()
        self._cache[(audience, tenant_id)] = (now + _REUSED_SECONDS, token)
        return token


class TokenVerifier:
    """Verifies tokens that are meant for one service."""

    def __init__(self, audience: str, public_keys: dict[str, str]) -> None:
        """`public_keys` holds each service's public key, base64."""
        self._audience = audience
        self._keys = {
            service: Ed25519PublicKey.from_public_bytes(base64.b64decode(key)) for service, key in public_keys.items()
        }
        self._cache: dict[str, tuple[float, str, UUID]] = {}

    def verify(self, token: str, *, callers: frozenset[str]) -> tuple[str, UUID]:
        """Return (caller, tenant). Raises `Unauthenticated` for a bad token, `Forbidden` for an unexpected caller."""
        now = time.time()
        cached = self._cache.get(token)
        if cached is None or cached[0] <= now:
            cached = self._decode(token)
            if len(self._cache) >= _CACHED_TOKENS:
                self._cache.clear()
            self._cache[token] = cached
        _, caller, tenant_id = cached
        if caller not in callers:
            raise Forbidden(f"the {self._audience} service does not accept this call from the {caller} service")
        return caller, tenant_id

    def _decode(self, token: str) -> tuple[float, str, UUID]:
        try:
            issuer = str(jwt.decode(token, options={"verify_signature": False})["iss"])
            claims = jwt.decode(
                token,
                self._keys[issuer],
                algorithms=["EdDSA"],
                audience=self._audience,
                leeway=5,
                options={"require": ["exp", "aud", "iss", "tenant"]},
            )
            return float(claims["exp"]), issuer, UUID(str(claims["tenant"]))
        except (jwt.PyJWTError, KeyError, ValueError) as error:
            raise Unauthenticated("the internal token is missing, expired or not meant for this service") from error
