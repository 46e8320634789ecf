"""Every secret there is, searched for wherever it might have leaked: this test runs after all the others have."""

import asyncio
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import psutil
import pytest

from bezant.client import BezantClient

from .fleet import Fleet, eventually
from .journal import Document, Journal
from .stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
_PUBLIC = ("url", "user", "public_key", "certificate")
# Where secrets belong: the store (encrypted), its key and the superuser's password (mode 0600).
_LEGITIMATE = ("secrets", "keys")


async def test_no_secret_is_found_outside_of_the_secret_store(stage: Stage, tmp_path: Path) -> None:
    journal = await stage.tenant()
    async with stage.traffic(journal) as traffic:
        await traffic.more(20)
    await stage.admin.post(f"/v1/tenants/{journal.tenant_id}/rotate-credentials")
    await stage.operation_is(journal.tenant_id, "rotation", "succeeded")
    planted = await _misuse(stage, journal)
    await stage.judge.judge(journal)

    secrets = await _all_secrets(stage) | planted
    assert len(secrets) > 30
    patterns = tmp_path / "patterns"
    patterns.write_text("".join(f"{secret}\n" for secret in sorted(secrets)))
    patterns.chmod(0o600)

    root = stage.fleet.platform.directory.root
    places = [path for path in root.iterdir() if path.name not in _LEGITIMATE]
    assert {"logs", "traces"} <= {path.name for path in places}

    async def traced() -> bool:
        return _size(root / "traces") > 0

    await eventually(traced, "something is traced")
    assert await asyncio.to_thread(_grep, _pattern(tmp_path, journal.tenant_id), places), "the search finds nothing"
    found = await asyncio.to_thread(_grep, patterns, places)
    assert not found, f"secrets in {found}"
    assert not _in_processes(stage.fleet, secrets)
    assert not await _in_exported_events(stage, journal, secrets)


async def _misuse(stage: Stage, journal: Journal) -> set[str]:
    """Send keys to where keys do not belong, so that errors are made about them; return what is secret of it."""
    made = await stage.admin.post(
        "/v1/api-keys", {"tenant_id": journal.tenant_id, "name": "planted", "scopes": ["payments:read"]}
    )
    key = made["api_key"]
    secret = key.rpartition("_")[2] if key.count("_") == 2 else key.split("_", 2)[2]
    attempts = [
        ("GET", "/v1/payments", {"authorization": f"Basic {key}"}, None),
        ("GET", "/v1/payments", {"authorization": f"Bearer {key}x"}, None),
        ("GET", f"/v1/payments?api_key={key}", {"authorization": f"Bearer {key}"}, None),
        ("POST", "/v1/payments", {"authorization": f"Bearer {key}"}, "{ this is no JSON"),
        ("POST", "/v1/tenants", {"authorization": f"Bearer {key}"}, "{}"),
    ]
    async with aiohttp.ClientSession(stage.fleet.platform.url) as session:
        for method, path, headers, data in attempts:
            async with session.request(method, path, headers=headers, data=data) as response:
                assert key not in await response.text()
    return {secret}


async def _all_secrets(stage: Stage) -> set[str]:
    fleet, directory = stage.fleet, stage.fleet.platform.directory
    found = {directory.superuser_password.read_text().strip(), directory.secret_store_key.read_text().strip()}
    for name in await fleet.secrets.names("bezant/"):
        if name == "bezant/platform/verifying":
            continue
        for key, value in (await fleet.secrets.read(name)).items():
            if not key.endswith(_PUBLIC):
                found.add(value)
    found |= {inbox.secret for inbox in stage.receiver.inboxes.values()}
    found |= {inbox.secret.removeprefix("whsec_") for inbox in stage.receiver.inboxes.values()}
    # The part of an API key after its id; the id is shown to everybody.
    found |= {key.split("_", 2)[2] for key in stage.api_keys}
    # A secret of several lines, as a private key in PEM, is searched for line by line.
    lines = {line for secret in found for line in secret.splitlines() if not line.startswith("-----")}
    return {line for line in lines if len(line) >= 16}


def _grep(patterns: Path, places: list[Path]) -> list[str]:
    """Return files that hold one of the patterns, whatever else is in them."""
    command = ["grep", "--recursive", "--binary-files=text", "--fixed-strings", "--files-with-matches", "--file"]
    done = subprocess.run([*command, patterns, *places], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _pattern(directory: Path, text: str) -> Path:
    path = directory / "pattern"
    path.write_text(f"{text}\n")
    return path


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


def _in_processes(fleet: Fleet, secrets: Iterable[str]) -> list[str]:
    """Return processes of the platform that have a secret in their arguments or their environment."""
    supervisor = psutil.Process(fleet.platform.status().supervisor_pid)
    guilty = []
    for process in [supervisor, *supervisor.children(recursive=True)]:
        told = " ".join(process.cmdline())
        if process.uids().real == os.geteuid():
            told += " ".join(process.environ().values())
        if any(secret in told for secret in secrets):
            guilty.append(process.name())
    return guilty


async def _in_exported_events(stage: Stage, journal: Journal, secrets: Iterable[str]) -> list[str]:
    """Return audit entries of the tenant that hold a secret: what is exported to outsiders."""
    async with BezantClient(stage.fleet.platform.url, journal.api_key) as api:

        async def read() -> list[Document]:
            found = [entry async for entry in api.pages("/v1/audit/entries", limit=1000)]
            return found if any(entry["type"] == "tenant.api_key_created" for entry in found) else []

        entries = await eventually(read, "the log says that the planted key was made")
    return [entry["entry_id"] for entry in entries if any(secret in str(entry) for secret in secrets)]
