"""Sign in with the identity provider: authorization code with PKCE, completed by whoever began.

The provider's tokens stay here: who signs in gets a session of Bezant's own, which is kept, cached and revoked like
an API key and acts as `operator:<id>`.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from bezant.contracts.identifiers import new_id
from bezant.contracts.tenant_events import OperatorSignedIn
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.identity.api_keys import Caller, new_api_key
from bezant.foundation.identity.roles import Role, scopes_of
from bezant.services.tenant.domain.id_tokens import Identity
from bezant.services.tenant.domain.problems import NoSession, RedirectRefused, SignInRefused, TooManySignIns
from bezant.services.tenant.identity_provider import IdentityProvider
from bezant.services.tenant.sagas.steps import QUERIES, emit
from bezant.services.tenant.settings import TenantSettings
from bezant.services.tenant.storage.acts import record_act

_LOOPBACK: Final = ("127.0.0.1", "::1")
_ACTOR: Final = "operator:"


@dataclass(frozen=True, slots=True)
class BegunSignIn:
    """A sign-in that has begun. `secret` completes it and goes nowhere else."""

    id: UUID
    secret: str
    authorization_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A person's session. `token` is used like an API key and shown this once."""

    token: str
    expires_at: datetime
    operator_id: UUID
    email: str
    role: Role
    tenant_id: UUID | None
    scopes: list[str]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class SignIn:
    """Begins and completes sign-ins, and ends sessions."""

    def __init__(self, control: ControlDatabase, provider: IdentityProvider, settings: TenantSettings) -> None:
        self._control = control
        self._provider = provider
        self._settings = settings
        self._redirect_uris = frozenset(uri for uri in settings.oidc_redirect_uris.split(",") if uri)

    async def begin(self, *, redirect_uri: str, tenant_slug: str | None) -> BegunSignIn:
        """Return where to send the person.

        Raises `SignInNotOffered`, `RedirectRefused`, `TooManySignIns`, `IdentityProviderUnavailable`.
        """
        self._check_redirect(redirect_uri)
        sign_in_id = new_id()
        state, secret, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        url = await self._provider.authorization_url(
            redirect_uri=redirect_uri, state=state, nonce=nonce, code_verifier=verifier
        )
        async with self._control.transaction() as connection:
            await connection.execute(QUERIES["forget_sign_ins"])
            parameters = {
                "id": sign_in_id,
                "secret_hash": _hash(secret),
                "state_hash": _hash(state),
                "nonce": nonce,
                "code_verifier": verifier,
                "redirect_uri": redirect_uri,
                "tenant_slug": tenant_slug,
                "seconds": self._settings.sign_in_seconds,
                "most": self._settings.pending_sign_ins,
            }
            row = await (await connection.execute(QUERIES["insert_sign_in"], parameters)).fetchone()
        if row is None:
            raise TooManySignIns("too many sign-ins have begun and not ended; try again later", retry_after_seconds=60)
        return BegunSignIn(sign_in_id, secret, url, row[0])

    def _check_redirect(self, uri: str) -> None:
        parts = urlsplit(uri)
        # RFC 8252 §7.3: a program on the person's own machine listens on a loopback port of its choice.
        own_machine = parts.scheme == "http" and parts.hostname in _LOOPBACK and not parts.username
        if (uri not in self._redirect_uris and not own_machine) or parts.fragment:
            raise RedirectRefused(
                "redirect_uri must be one of BEZANT_TENANT_OIDC_REDIRECT_URIS, or http on 127.0.0.1 or [::1]"
            )

    async def complete(self, *, sign_in_id: UUID, secret: str, state: str, code: str) -> Session:
        """Return the session of whoever the code stands for. Raises `SignInRefused`, `IdentityProviderUnavailable`.

        What comes with a wrong state or secret changes nothing; a sign-in that was taken is over, however it goes on.
        """
        row = await self._control.fetch_one(
            QUERIES["take_sign_in"],
            {"id": sign_in_id, "secret_hash": _hash(secret), "state_hash": _hash(state)},
        )
        if row is None:
            raise SignInRefused("this sign-in was not begun, not by you, took too long, or is over; begin again")
        nonce, code_verifier, redirect_uri, tenant_slug = row
        identity = await self._provider.identify(
            code=code, redirect_uri=redirect_uri, nonce=nonce, code_verifier=code_verifier
        )
        return await self._open_session(identity, tenant_slug)

    async def _open_session(self, identity: Identity, tenant_slug: str | None) -> Session:
        key_id, token, secret_hash = new_api_key()
        async with self._control.transaction() as connection:
            tenant_id = None
            if tenant_slug is not None:
                found = await (await connection.execute(QUERIES["tenant_by_slug"], {"slug": tenant_slug})).fetchone()
                # Whether there is such a tenant is not for everybody to know.
                if found is None:
                    raise _unknown(identity)
                tenant_id = found[0]
            parameters = {
                "tenant_id": tenant_id,
                "issuer": identity.issuer,
                "subject": identity.subject,
                "verified_email": identity.email if identity.email_verified else None,
            }
            rows = await (await connection.execute(QUERIES["operators_signing_in"], parameters)).fetchall()
            if not rows:
                raise _unknown(identity)
            # The tenant's own entry first, which may say less than that of a person of the platform.
            operator_id, home, email, role_name, _ = rows[0]
            role, actor = Role(role_name), f"{_ACTOR}{operator_id}"
            scopes = sorted(scopes_of(role, in_tenant=tenant_id is not None))
            names = {"id": operator_id, "issuer": identity.issuer, "subject": identity.subject}
            await connection.execute(QUERIES["bind_operator"], names)
            session = {
                "key_id": key_id,
                "tenant_id": tenant_id,
                "secret_hash": secret_hash,
                "name": f"session of {email}",
                "scopes": scopes,
                "actor": actor,
                "operator_id": operator_id,
                "seconds": self._settings.session_seconds,
            }
            ends = await (await connection.execute(QUERIES["insert_session"], session)).fetchone()
            assert ends is not None
            await record_act(
                connection, "operator.signed_in", actor=actor, subject=key_id, tenant_id=tenant_id, role=role
            )
            if tenant_id is not None:
                data = OperatorSignedIn(operator_id=operator_id, role=role, session_id=key_id, of_platform=home is None)
                await emit(connection, tenant_id, "tenant.operator_signed_in", data, actor=actor)
        return Session(token, ends[0], operator_id, email, role, tenant_id, scopes)

    async def sign_out(self, caller: Caller) -> None:
        """End the caller's session. Raises `NoSession` for a key."""
        if caller.person is None:
            raise NoSession("this is an API key; revoke it with DELETE /v1/api-keys/{key_id}")
        async with self._control.transaction() as connection:
            await connection.execute(QUERIES["end_session"], {"key_id": caller.key_id})
            parameters = {"id": UUID(caller.person.removeprefix(_ACTOR))}
            row = await (await connection.execute(QUERIES["operator_by_id"], parameters)).fetchone()
            await record_act(
                connection,
                "operator.signed_out",
                actor=caller.actor,
                subject=caller.key_id,
                tenant_id=caller.tenant_id,
            )
            if row is not None and caller.tenant_id is not None:
                data = OperatorSignedIn(
                    operator_id=row[0], role=row[3], session_id=caller.key_id, of_platform=row[1] is None
                )
                await emit(connection, caller.tenant_id, "tenant.operator_signed_out", data, actor=caller.actor)


def _unknown(identity: Identity) -> SignInRefused:
    known = f"as {identity.email}" if identity.email_verified else "without a verified address"
    return SignInRefused(
        f"you are {known} to the identity provider, and that may not sign in here; ask an administrator"
    )
