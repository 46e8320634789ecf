"""The tenant service's operations on a real control database, with real OpenID providers on loopback."""

import html
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import oidc_provider_mock
import pytest
from aiohttp import web

from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.identity.api_keys import ApiKeys, Caller
from bezant.local.openid_provider import OpenIdProvider
from bezant.local.people_file import PeopleFile
from bezant.services.tenant.identity_provider import CLIENT_SECRET, IdentityProvider
from bezant.services.tenant.operations.sign_in import SignIn
from bezant.services.tenant.settings import TenantSettings

from ..foundation.conftest import Control, control, prepared
from ..stores.fixtures import Secrets, free_port

__all__ = ["control", "prepared"]
ADMIN = Caller("a" * 12, None, frozenset({"admin"}))
REDIRECT = "http://127.0.0.1:53682/"


@pytest.fixture
async def database(control: Control) -> ControlDatabase:
    return await control.open("tenant")


@pytest.fixture
async def keys(control: Control) -> ApiKeys:
    return ApiKeys(await control.open("payment", api_key_cache_seconds=0))


@dataclass
class LocalProvider:
    """Our own provider, of which the tests know the people's passwords."""

    issuer: str
    people: PeopleFile


@pytest.fixture
async def local_provider(tmp_path: Path) -> AsyncIterator[LocalProvider]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    runner = web.AppRunner(OpenIdProvider(issuer, tmp_path).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield LocalProvider(issuer, PeopleFile(tmp_path / "people.json"))
    await runner.cleanup()


@pytest.fixture(scope="session")
def other_provider() -> Iterator[str]:
    """An independent provider (Authlib's), RS256, with two people: one with a verified address, one without."""
    people = [
        oidc_provider_mock.User(sub="ana", claims={"email": "Ana@shop.example", "email_verified": True}),
        oidc_provider_mock.User(sub="eve", claims={"email": "ana@shop.example", "email_verified": False}),
        oidc_provider_mock.User(sub="nobody"),
    ]
    with oidc_provider_mock.run_server_in_thread(user_claims=people, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@dataclass
class SigningIn:
    """Sign-ins at one provider."""

    sign_in: SignIn
    provider: IdentityProvider


def signing_in(
    database: ControlDatabase, issuer: str, *, client_secret: str | None = None, **settings: object
) -> SigningIn:
    merged = TenantSettings(oidc_issuer=issuer, **settings)  # type: ignore[arg-type]
    secrets = Secrets(0, {} if client_secret is None else {CLIENT_SECRET: {"client_secret": client_secret}})
    provider = IdentityProvider(merged, secrets)
    return SigningIn(SignIn(database, provider, merged), provider)


async def pass_through(authorization_url: str, answers: dict[str, str]) -> dict[str, str]:
    """Do what a browser and a person do at a provider's form, and return what comes back to the redirect address."""
    async with aiohttp.ClientSession() as browser:
        async with browser.get(authorization_url) as page:
            assert page.status == 200, await page.text()
            text = await page.text()
        hidden = {
            name: html.unescape(value)
            for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text)
        }
        async with browser.post(authorization_url, data=hidden | answers, allow_redirects=False) as answer:
            assert answer.status in (302, 303), await answer.text()
            location = answer.headers["location"]
    assert location.startswith(REDIRECT)
    return dict(parse_qsl(urlsplit(location).query))
