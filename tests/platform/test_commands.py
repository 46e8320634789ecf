"""`bezant` against a running platform, given its data directory alone."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from bezant.cli.keyring import Keyring
from bezant.cli.main import app
from bezant.local.platform import LocalPlatform

from .conftest import TestTenant

NAME = "Acme [/eu] Ltd"
HOSTILE = "a\x1b]0;t\x07b\x1b[2Jc\x9bd\u202ee"
REFERENCE = "invoice [paid] order:100:7"


async def bezant(platform: LocalPlatform, tenant: TestTenant, *words: str) -> str:
    root = platform.directory.root
    Keyring(root).put(tenant.slug, tenant.api_key)
    environment = {"BEZANT_DATA_DIR": str(root), "BEZANT_TENANT": tenant.slug, "COLUMNS": "250"}
    result = await asyncio.to_thread(CliRunner().invoke, app, words, env=environment)
    assert result.exit_code == 0, result.output
    return result.output


async def test_commands_find_the_platform_of_their_data_directory(platform: LocalPlatform, tenant: TestTenant) -> None:
    """It listens on a port of its own."""
    found = json.loads(await bezant(platform, tenant, "account", "list", "--json"))
    assert tenant.accounts["alice"] in {account["id"] for account in found}


@pytest.mark.parametrize(("name", "shown"), [(NAME, NAME), (HOSTILE, r"a\u001b]0;t\u0007b\u001b[2Jc\u009bd\u202ee")])
async def test_names_are_shown_as_they_were_written_and_never_obeyed(
    platform: LocalPlatform, tenant: TestTenant, name: str, shown: str
) -> None:
    account_id = await tenant.open(name)
    listed = await bezant(platform, tenant, "account", "list")
    (line,) = [line for line in listed.splitlines() if account_id in line]
    assert shown in line
    as_json = await bezant(platform, tenant, "account", "list", "--json")
    assert name in {account["name"] for account in json.loads(as_json)}
    for output in (listed, as_json):
        assert all(character.isprintable() for character in output.replace("\n", ""))


async def test_a_reference_is_shown_as_it_was_written(platform: LocalPlatform, tenant: TestTenant) -> None:
    paid = await tenant.pay("bank", "alice", 5, reference=REFERENCE)
    listed = await bezant(platform, tenant, "pay", "list")
    (line,) = [line for line in listed.splitlines() if paid["id"] in line]
    assert REFERENCE in line
    statement = await bezant(platform, tenant, "account", "statement", tenant.accounts["alice"])
    assert REFERENCE in statement
