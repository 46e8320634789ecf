"""The OpenID provider that people sign in with: discovery, keys, authorization code with PKCE.

Sources: OpenID Connect Discovery 1.0, OpenID Connect Core 1.0 §3.1, RFC 7636 (PKCE), RFC 9700 (best practice).
"""

import base64
import hashlib
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import jwt
import msgspec
from aiohttp.resolver import ThreadedResolver

from bezant.contracts.json_text import UNREADABLE
from bezant.contracts.problems import Unavailable
from bezant.foundation.secrets import SecretMissing, SecretStore, platform_secret_name
from bezant.foundation.secrets.store import SecretStoreUnavailable
from bezant.services.tenant.domain.id_tokens import Identity, UnknownKey, address_in, validated
from bezant.services.tenant.domain.problems import SignInNotOffered, SignInRefused
from bezant.services.tenant.settings import TenantSettings

CLIENT_SECRET: Final = platform_secret_name("oidc-client")
_CACHED_SECONDS: Final = 3_600.0
_REFETCH_SECONDS: Final = 10.0
_MAX_ANSWER_BYTES: Final = 256 * 1024
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class IdentityProviderUnavailable(Unavailable):
    """The identity provider does not answer, or not as it should."""

    code = "identity_provider_unavailable"
    title = "The identity provider cannot be used now"


class IdentityProvider:
    """One OpenID provider, by its issuer. What it publishes is kept for an hour; an unknown key is looked up anew."""

    def __init__(self, settings: TenantSettings, secrets: SecretStore) -> None:
        self._settings = settings
        self._secrets = secrets
        self._issuer = settings.oidc_issuer
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, list[jwt.PyJWK]] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def authorization_url(self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str) -> str:
        """Return where to send a person. Raises `SignInNotOffered`, `IdentityProviderUnavailable`."""
        metadata = await self._discovered()
        digest = hashlib.sha256(code_verifier.encode()).digest()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._settings.oidc_client_id,
                "redirect_uri": redirect_uri,
                "scope": self._settings.oidc_scopes,
                "state": state,
                "nonce": nonce,
                "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            }
        )
        endpoint: str = metadata["authorization_endpoint"]
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"

    async def identify(self, *, code: str, redirect_uri: str, nonce: str, code_verifier: str) -> Identity:
        """Return whom an authorization code stands for. Raises `SignInRefused`, `IdentityProviderUnavailable`."""
        metadata = await self._discovered()
        tokens = await self._exchange(metadata, code, redirect_uri, code_verifier)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise SignInRefused("the identity provider gave no ID token")
        access_token = access_token if isinstance(access_token, str) else None
        identity = await self._validated(metadata, id_token, nonce, access_token)
        if identity.email is None and access_token is not None and "userinfo_endpoint" in metadata:
            return await self._with_address(metadata["userinfo_endpoint"], access_token, identity)
        return identity

    async def _exchange(
        self, metadata: Mapping[str, Any], code: str, redirect_uri: str, code_verifier: str
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._settings.oidc_client_id,
            "code_verifier": code_verifier,
        }
        secret = await self._client_secret()
        headers = {}
        if secret is not None:
            methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if "client_secret_basic" in methods:
                # RFC 6749 §2.3.1: both are form-encoded before they are joined.
                pair = f"{quote_plus(self._settings.oidc_client_id)}:{quote_plus(secret)}"
                headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
            else:
                form["client_secret"] = secret
        status, answer = await self._ask("POST", metadata["token_endpoint"], headers=headers, data=form)
        if status >= 500:
            raise IdentityProviderUnavailable("the identity provider failed; sign in again", retry_after_seconds=5)
        if status != 200:
            raise SignInRefused(f"the identity provider refused the code ({answer.get('error', status)})")
        return answer

    async def _validated(
        self, metadata: Mapping[str, Any], id_token: str, nonce: str, access_token: str | None
    ) -> Identity:
        for fresh in (False, True):
            try:
                return validated(
                    id_token,
                    await self._signing_keys(metadata, fresh=fresh),
                    issuer=self._issuer,
                    client_id=self._settings.oidc_client_id,
                    nonce=nonce,
                    access_token=access_token,
                    now=datetime.now(UTC),
                )
            except UnknownKey:
                continue
        raise SignInRefused("the ID token is signed with a key that the identity provider does not publish")

    async def _with_address(self, endpoint: str, access_token: str, identity: Identity) -> Identity:
        """Return the identity with the address that the provider tells of it only here (OIDC Core §5.3)."""
        status, answer = await self._ask("GET", endpoint, headers={"authorization": f"Bearer {access_token}"})
        if status != 200:
            return identity
        if answer.get("sub") != identity.subject:
            raise SignInRefused("the identity provider speaks of two people (sub)")
        return Identity(identity.issuer, identity.subject, *address_in(answer))

    async def _discovered(self) -> dict[str, Any]:
        if not self._issuer:
            raise SignInNotOffered("No identity provider is set (BEZANT_TENANT_OIDC_ISSUER).")
        if self._metadata is None or self._metadata[0] < time.monotonic():
            status, document = await self._ask("GET", self._issuer.rstrip("/") + "/.well-known/openid-configuration")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if status != 200 or not all(isinstance(document.get(name), str) for name in needed):
                raise IdentityProviderUnavailable("the identity provider's discovery document cannot be read")
            # Discovery §4.3: exactly the same, or another provider could speak for this one.
            if document.get("issuer") != self._issuer:
                raise IdentityProviderUnavailable("the identity provider calls itself by another issuer")
            self._metadata = time.monotonic() + _CACHED_SECONDS, document
        return self._metadata[1]

    async def _signing_keys(self, metadata: Mapping[str, Any], *, fresh: bool) -> list[jwt.PyJWK]:
        now = time.monotonic()
        # Fetched anew for an unknown key, but not as often as somebody sends tokens with made-up ones.
        age = None if self._keys is None else now - self._keys[0]
        if self._keys is None or age is None or age > (_REFETCH_SECONDS if fresh else _CACHED_SECONDS):
            status, document = await self._ask("GET", metadata["jwks_uri"])
            if status != 200 or not isinstance(document.get("keys"), list):
                raise IdentityProviderUnavailable("the identity provider's keys cannot be read")
            self._keys = now, [key for key in map(_readable, document["keys"]) if key is not None]
        return self._keys[1]

    async def _client_secret(self) -> str | None:
        try:
            return (await self._secrets.read(CLIENT_SECRET))["client_secret"]
        except SecretMissing:
            # A public client: PKCE alone binds the code to us.
            return None
        except SecretStoreUnavailable as error:
            raise IdentityProviderUnavailable("the client secret cannot be read", retry_after_seconds=5) from error

    async def _ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, data: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return (status, JSON object). Raises `IdentityProviderUnavailable`."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise IdentityProviderUnavailable("the identity provider must be reached by https")
        try:
            async with self._opened().request(
                method, url, headers={"accept": "application/json", **(headers or {})}, data=data, allow_redirects=False
            ) as response:
                raw = bytearray()
                # `read(n)` may give less than there is: the answer comes in chunks
                async for chunk in response.content.iter_chunked(_MAX_ANSWER_BYTES):
                    raw += chunk
                    if len(raw) > _MAX_ANSWER_BYTES:
                        raise IdentityProviderUnavailable("the identity provider's answer is too long to be read")
                document = msgspec.json.decode(raw)
                return response.status, document if isinstance(document, dict) else {}
        except UNREADABLE:
            return response.status, {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise IdentityProviderUnavailable(
                f"the identity provider does not answer ({type(error).__name__})", retry_after_seconds=5
            ) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context()
            if self._settings.oidc_ca_file is not None:
                context.load_verify_locations(self._settings.oidc_ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=8, ssl=context, resolver=ThreadedResolver()),
                timeout=aiohttp.ClientTimeout(total=self._settings.oidc_timeout_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


def _readable(document: object) -> jwt.PyJWK | None:
    """Return a key of a set, or None for one of a kind that is not known: others may be of use."""
    try:
        return jwt.PyJWK.from_dict(document) if isinstance(document, dict) else None
    except jwt.PyJWTError:
        return None
