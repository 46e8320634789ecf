"""People who sign in to the running platform with its own OpenID provider, by the command line and a browser."""

import asyncio
import html
import os
import re
import sys
from typing import Any

import aiohttp
import pytest

from bezant.cli.keyring import Keyring
from bezant.client import ApiProblem, BezantClient
from bezant.local.people_file import PeopleFile
from bezant.local.platform import LocalPlatform

from ..stores.fixtures import eventually
from .conftest import TestTenant

EMAIL, PASSWORD = "ana@people.example", "a password of her own"


async def _sign_in(platform: LocalPlatform, tenant: TestTenant) -> str:
    """Run `bezant operator sign-in`, do in its stead what the browser does, and return the session's token."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-m", "bezant.cli.main", "operator", "sign-in", "--no-browser", "--tenant", tenant.slug,
        "--url", platform.url, "--data-dir", str(platform.directory.root),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "COLUMNS": "2000"},
    )  # fmt: skip
    assert process.stdout is not None
    while "authorize?" not in (line := (await process.stdout.readline()).decode()):
        assert line, "it ended without an address"
    async with aiohttp.ClientSession() as browser:
        async with browser.get(line.strip()) as page:
            found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', await page.text())
        form = {name: html.unescape(value) for name, value in found} | {"email": EMAIL, "password": PASSWORD}
        async with browser.post(line.strip(), data=form) as landed:
            assert "signed in" in await landed.text()
    assert await process.wait() == 0
    token = Keyring(platform.directory.root).get(f"session:{tenant.slug}")
    assert token is not None
    return token


async def test_a_person_signs_in_works_by_their_role_and_is_gone_when_removed(
    platform: LocalPlatform, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    PeopleFile(platform.directory.identity / "people.json").put(EMAIL, PASSWORD)
    added = await tenant.client.post("/v1/operators", {"email": EMAIL, "role": "risk"})
    token = await _sign_in(platform, tenant)
    async with BezantClient(platform.url, token) as session:
        current = await session.get("/v1/sessions/current")
        assert (current["actor"], current["tenant_id"]) == (f"operator:{added['id']}", tenant.id)
        await session.get("/v1/fraud/cases")
        with pytest.raises(ApiProblem) as refused:
            await session.post("/v1/accounts", {"name": "x", "type": "customer", "currency": "USD"})
        assert refused.value.status == 403
        with pytest.raises(ApiProblem) as foreign:
            await session.get(f"/v1/accounts/{other_tenant.accounts.get('alice')}")
        assert foreign.value.status == 404

        async def logged() -> bool:
            found: list[Any] = [entry async for entry in tenant.client.pages("/v1/audit/entries")]
            return any("tenant.operator_signed_in" in str(entry) for entry in found)

        await eventually(logged, within_seconds=20)
        await tenant.client.delete(f"/v1/operators/{added['id']}")

        async def gone() -> bool:
            try:
                await session.get("/v1/sessions/current")
            except ApiProblem as problem:
                return problem.status == 401
            return False

        await eventually(gone, within_seconds=30)


async def test_nobody_signs_in_who_was_not_added(platform: LocalPlatform, tenant: TestTenant) -> None:
    async with BezantClient(platform.url, None) as nobody:
        begun = await nobody.post("/v1/sign-ins", {"redirect_uri": "http://127.0.0.1:9/", "tenant": tenant.slug})
        body = {"id": begun["id"], "secret": begun["secret"], "state": "x", "code": "y"}
        with pytest.raises(ApiProblem) as refused:
            await nobody.post("/v1/sign-ins/complete", body)
        assert (refused.value.status, refused.value.code) == (401, "sign_in_refused")
        with pytest.raises(ApiProblem) as elsewhere:
            await nobody.post("/v1/sign-ins", {"redirect_uri": "https://evil.example/"})
        assert elsewhere.value.code == "redirect_uri_refused"
