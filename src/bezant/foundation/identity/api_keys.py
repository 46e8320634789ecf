"""API keys: `bz_<keyid>_<secret>`. Only the SHA-256 of the secret is stored, in the control database.

The secret has 256 bits of entropy, so that a plain hash is as safe as a slow one and costs a request nothing.
A key is cached for at most 30 seconds, so that a revocation bites within that time on every instance; only while the
control database does not answer, and so takes no revocation either, is a known key accepted for longer.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from bezant.contracts.problems import Forbidden, NotFound, Unauthenticated
from bezant.foundation.control.database import QUERIES, ControlDatabase
from bezant.foundation.control.remembered import PAGE_ROWS, Answer, Remembered

_FORMAT: Final = re.compile(r"bz_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_UNKNOWN_KEYS: Final = 10_000
_UNKNOWN_SECONDS: Final = 0.5
_REFUSED: Final = "the API key is unknown, revoked or expired"

DEFAULT_SCOPES: Final = (
    "accounts:read", "accounts:write", "payments:read", "payments:write", "transfers:read",
    "fraud:read", "fraud:write", "webhooks:read", "webhooks:write", "audit:read", "keys:write",
    "approvals:read", "approvals:write", "people:read", "people:write",
)  # fmt: skip
"""What a tenant's first key may do: neither `ledger:write`, which moves money without fraud checks, nor
`audit:write`, which erases personal data."""
GRANTED_ON_REQUEST: Final = frozenset({"ledger:write", "audit:write"})
"""What a tenant may give to further keys of its own, without its first key having it."""
PLATFORM_SCOPES: Final = frozenset({"admin", "platform:read", "platform:write"})
"""What only keys and sessions of the platform itself may have: `platform:read` sees tenants, `platform:write` also
suspends and resumes them and rotates their credentials, and `admin` does everything."""
ALL_SCOPES: Final = frozenset({*DEFAULT_SCOPES, *GRANTED_ON_REQUEST, *PLATFORM_SCOPES})


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. `tenant_id` is None for a key or session of the platform itself."""

    key_id: str
    tenant_id: UUID | None
    scopes: frozenset[str]
    person: str | None = None
    """The actor of a session: somebody who has signed in."""

    @property
    def actor(self) -> str:
        """How events and the audit log name this caller: `key:<id>`, or `operator:<id>` for a person."""
        return self.person or f"key:{self.key_id}"

    @property
    def tenant(self) -> UUID:
        """The tenant of a tenant's key. Raises `Forbidden` for an admin key."""
        if self.tenant_id is None:
            raise Forbidden("this is a platform administrator's key; use a key of the tenant")
        return self.tenant_id

    def require(self, scope: str) -> None:
        """Raise `Forbidden` unless the key has the scope; an administrator has every scope of the platform."""
        if scope not in self.scopes and not (scope in PLATFORM_SCOPES and "admin" in self.scopes):
            raise Forbidden(f"this API key lacks the scope {scope}; ask for a key that has it")


def new_api_key() -> tuple[str, str, bytes]:
    """Return a fresh key as (key id, the whole key to show once, the hash to store)."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    secret = secrets.token_urlsafe(32)
    return key_id, f"bz_{key_id}_{secret}", hashlib.sha256(secret.encode()).digest()


class ApiKeys:
    """Authenticates `Authorization: Bearer bz_...` headers.

    A known key goes on working while the control database is away, as long as `Remembered` says and never past its
    own expiry.
    """

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control
        self._remembered: Remembered[str, tuple[bytes, Caller]] = Remembered(
            control, self._look_up, fresh_seconds=control.settings.api_key_cache_seconds
        )
        # Unknown keys are remembered for a moment only, so that a key works as soon as it is made, and apart from the
        # others, so that somebody who guesses keys pushes no known one out.
        self._unknown: dict[str, float] = {}

    async def authenticate(self, authorization: str | None) -> Caller:
        """Return the caller. Raises `Unauthenticated`, `ControlUnavailable`."""
        if authorization is None or not authorization.startswith("Bearer "):
            raise Unauthenticated("send your API key as `Authorization: Bearer bz_...`")
        matched = _FORMAT.fullmatch(authorization[7:])
        if matched is None:
            raise Unauthenticated("the API key is not of the form bz_<keyid>_<secret>")
        key_id, secret = matched.groups()
        if self._unknown.get(key_id, 0.0) > time.monotonic():
            raise Unauthenticated(_REFUSED)
        try:
            stored_hash, caller = await self._remembered.get(key_id)
        except NotFound as error:
            raise Unauthenticated(_REFUSED) from error
        if not hmac.compare_digest(stored_hash, hashlib.sha256(secret.encode()).digest()):
            raise Unauthenticated(_REFUSED)
        return caller

    def known(self, authorization: str) -> Caller | None:
        """Return whose key this is, from memory alone and however long ago it was looked up.

        Only for whose share a request counts; `authenticate` says whether the key is good now.
        """
        matched = _FORMAT.fullmatch(authorization[7:]) if authorization.startswith("Bearer ") else None
        if matched is None:
            return None
        key_id, secret = matched.groups()
        remembered = self._remembered.peek(key_id)
        if remembered is None:
            return None
        stored_hash, caller = remembered
        return caller if hmac.compare_digest(stored_hash, hashlib.sha256(secret.encode()).digest()) else None

    async def _look_up(self, key_id: str) -> Answer[tuple[bytes, Caller]]:
        row = await self._control.fetch_one(QUERIES["api_key"], {"key_id": key_id})
        if row is None:
            if len(self._unknown) >= _UNKNOWN_KEYS:
                self._unknown.clear()
            self._unknown[key_id] = time.monotonic() + _UNKNOWN_SECONDS
            raise NotFound("no such key")
        return _answer(key_id, row)

    async def learn(self) -> None:
        """Read all keys in use, so that they work through an outage. Raises `ControlUnavailable`."""
        await self._remembered.learn("", self._page)

    async def _page(self, after: str) -> list[tuple[str, Answer[tuple[bytes, Caller]]]]:
        rows = await self._control.fetch_all(QUERIES["api_keys"], {"after": after, "rows": PAGE_ROWS})
        return [(key_id, _answer(key_id, row)) for *row, key_id in rows]


def _answer(key_id: str, row: Sequence[Any]) -> Answer[tuple[bytes, Caller]]:
    tenant_id, secret_hash, scopes, expires_at, person = row
    valid_seconds = None if expires_at is None else max(0.0, expires_at.timestamp() - time.time())
    return Answer((bytes(secret_hash), Caller(key_id, tenant_id, frozenset(scopes), person)), valid_seconds)
