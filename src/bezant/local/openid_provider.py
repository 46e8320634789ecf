"""An OpenID provider for the local platform, so that signing in can be tried and tested without an account anywhere.

Authorization code with PKCE (RFC 7636) for one public client, ES256, codes that work once and for a minute. It
follows OpenID Connect Core 1.0 §3.1, Discovery 1.0 and RFC 9207 as far as a client may rely on them. In production
the issuer is a company's own.
"""

import asyncio
import base64
import hashlib
import hmac
import html
import os
import secrets
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bezant.local.people_file import PeopleFile, Person

CLIENT_ID: Final = "bezant"
_CODE_SECONDS: Final = 60
_TOKEN_SECONDS: Final = 300
_MOST_CODES: Final = 1_000
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_PARAMETERS: Final = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
)  # fmt: skip
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in to Bezant</title>
<style>body{{font:16px system-ui;max-width:22rem;margin:15vh auto}}input,button{{font:inherit;width:100%;
box-sizing:border-box;padding:.5rem;margin:.25rem 0 1rem}}p{{color:#a00}}</style>
<h1>Sign in</h1>{problem}<form method="post">{hidden}
<label>Mail address<input name="email" type="email" required autofocus></label>
<label>Password<input name="password" type="password" required></label><button>Sign in</button></form></html>"""


@dataclass(frozen=True, slots=True)
class _Code:
    person: Person
    redirect_uri: str
    nonce: str | None
    challenge: str
    scope: str
    expires_at: float


class OpenIdProvider:
    """One provider: its key and people lie in `directory`."""

    def __init__(self, issuer: str, directory: Path) -> None:
        self._issuer = issuer
        self._people = PeopleFile(directory / "people.json")
        self._key = _key(directory / "signing.pem")
        self._key_id = hashlib.sha256(self._public()["x"].encode()).hexdigest()[:16]
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _Code] = {}
        self._guesses = asyncio.Lock()

    def app(self) -> web.Application:
        """Return the web application."""
        app = web.Application(client_max_size=16 * 1024)
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/jwks", self._jwks)
        app.router.add_get("/authorize", self._ask)
        app.router.add_post("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/userinfo", self._userinfo)
        return app

    async def _discovery(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self._issuer,
                "authorization_endpoint": f"{self._issuer}/authorize",
                "token_endpoint": f"{self._issuer}/token",
                "userinfo_endpoint": f"{self._issuer}/userinfo",
                "jwks_uri": f"{self._issuer}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "scopes_supported": ["openid", "email"],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [self._public() | {"kid": self._key_id, "use": "sig", "alg": "ES256"}]})

    def _public(self) -> dict[str, Any]:
        document: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return document

    async def _ask(self, request: web.Request) -> web.Response:
        refusal = _refusal(request.query)
        return refusal if refusal is not None else self._page(request.query)

    def _page(self, asked: Any, problem: str = "", status: int = 200) -> web.Response:
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(asked[name], quote=True)}">'
            for name in _PARAMETERS
            if name in asked
        )
        shown = f"<p>{html.escape(problem)}</p>" if problem else ""
        headers = {
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
            "cache-control": "no-store",
        }
        text = _PAGE.format(problem=shown, hidden=hidden)
        return web.Response(text=text, content_type="text/html", status=status, headers=headers)

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = await request.post()
        refusal = _refusal(asked)
        if refusal is not None:
            return refusal
        # One guess at a time, off the loop: guessing is slow, whoever guesses.
        async with self._guesses:
            person = await asyncio.to_thread(self._people.check, str(asked.get("email")), str(asked.get("password")))
        if person is None:
            return self._page(asked, "That is not right.", 403)
        code, redirect_uri = secrets.token_urlsafe(32), str(asked["redirect_uri"])
        self._forget_old(self._codes)
        self._codes[code] = _Code(
            person,
            redirect_uri,
            str(asked["nonce"]) if "nonce" in asked else None,
            str(asked["code_challenge"]),
            str(asked["scope"]),
            time.monotonic() + _CODE_SECONDS,
        )
        answer = {"code": code, "iss": self._issuer} | ({"state": str(asked["state"])} if "state" in asked else {})
        joint = "&" if urlsplit(redirect_uri).query else "?"
        raise web.HTTPSeeOther(f"{redirect_uri}{joint}{urlencode(answer)}")

    async def _token(self, request: web.Request) -> web.Response:
        asked = await request.post()
        code = self._codes.pop(str(asked.get("code")), None)
        if asked.get("grant_type") != "authorization_code" or asked.get("client_id") != CLIENT_ID:
            return _error("invalid_request")
        verifier = hashlib.sha256(str(asked.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (
            code is None
            or code.expires_at < time.monotonic()
            or code.redirect_uri != asked.get("redirect_uri")
            or not hmac.compare_digest(code.challenge.encode(), challenge.encode())
        ):
            return _error("invalid_grant")
        access_token = secrets.token_urlsafe(32)
        self._forget_old(self._access)
        self._access[access_token] = code
        digest = hashlib.sha256(access_token.encode()).digest()
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "sub": code.person.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
            "at_hash": base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode(),
            **({} if code.nonce is None else {"nonce": code.nonce}),
            **(_address(code.person) if "email" in code.scope.split() else {}),
        }
        id_token = jwt.encode(claims, self._key, "ES256", headers={"kid": self._key_id})
        return web.json_response(
            {
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": _TOKEN_SECONDS,
                "id_token": id_token,
            },
            headers={"cache-control": "no-store"},
        )

    async def _userinfo(self, request: web.Request) -> web.Response:
        code = self._access.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if code is None or code.expires_at < time.monotonic():
            return web.Response(status=401, headers={"www-authenticate": 'Bearer error="invalid_token"'})
        return web.json_response({"sub": code.person.subject, **_address(code.person)})

    @staticmethod
    def _forget_old(kept: dict[str, _Code]) -> None:
        now = time.monotonic()
        for name in [name for name, code in kept.items() if code.expires_at < now]:
            del kept[name]
        while len(kept) >= _MOST_CODES:
            del kept[next(iter(kept))]


def _address(person: Person) -> dict[str, Any]:
    return {"email": person.email, "email_verified": True}


def _refusal(asked: Any) -> web.Response | None:
    """Return why nobody is sent anywhere, or None. A redirect address that is not ours is never sent to."""
    redirect = urlsplit(str(asked.get("redirect_uri", "")))
    if asked.get("client_id") != CLIENT_ID or redirect.scheme != "http" or redirect.hostname not in _LOOPBACK:
        return web.Response(status=400, text="unknown client or redirect address")
    if asked.get("response_type") != "code" or "openid" not in str(asked.get("scope", "")).split():
        return web.Response(status=400, text="only OpenID Connect with the authorization code flow")
    if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
        return web.Response(status=400, text="PKCE with S256 is required")
    return None


def _error(code: str) -> web.Response:
    return web.json_response({"error": code}, status=400, headers={"cache-control": "no-store"})


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the signing key, made at the first start."""
    if not path.exists():
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


async def serve(host: str, port: int, directory: Path) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(OpenIdProvider(f"http://{host}:{port}", directory).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
