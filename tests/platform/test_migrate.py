"""`bezant migrate`, what a cluster runs before a release: beside the running version, again and again."""

import asyncio
import os
import sys
from pathlib import Path

from bezant.local.options import PlatformOptions
from bezant.local.platform import LocalPlatform
from bezant.local.postgres import SUPERUSER
from bezant.local.service_processes import shared_settings

from .conftest import TestTenant


async def _migrate(platform: LocalPlatform, administrator: Path, **settings: str) -> tuple[int, str]:
    port_base = platform.directory.port_base()
    assert port_base is not None
    shared = shared_settings(PlatformOptions(data_dir=str(platform.directory.root), port_base=port_base))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bezant.cli.main", "migrate", "--administrator", str(administrator),
        env={**os.environ, **shared, **settings},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


def _administrator(directory: Path, password: str) -> Path:
    (directory / "user").write_text(SUPERUSER)
    (directory / "password").write_text(f"{password}\n")
    return directory


async def test_it_runs_beside_the_services_and_twice(
    platform: LocalPlatform, tenant: TestTenant, tmp_path: Path
) -> None:
    administrator = _administrator(tmp_path, platform.directory.superuser_password.read_text().strip())
    for _ in range(2):
        assert await _migrate(platform, administrator) == (0, "")
    assert (await tenant.pay("bank", "alice", 5))["status"] == "captured"


async def test_a_wrong_password_fails_without_being_shown(platform: LocalPlatform, tmp_path: Path) -> None:
    code, told = await _migrate(platform, _administrator(tmp_path, "planted-secret"))
    assert code == 1
    assert "password authentication failed" in told
    assert "planted-secret" not in told


async def test_a_missing_credential_and_a_silent_broker_say_what_is_wrong(
    platform: LocalPlatform, tmp_path: Path
) -> None:
    code, told = await _migrate(platform, tmp_path)
    assert (code, "No such file" in told) == (1, True)
    administrator = _administrator(tmp_path, platform.directory.superuser_password.read_text().strip())
    code, told = await _migrate(platform, administrator, BEZANT_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert code == 1
    assert "bezant:" in told
    assert "Traceback" not in told
