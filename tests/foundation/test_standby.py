"""A region on standby: its processes are up, write nothing, and go on when the file says so."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bezant.foundation.control.bootstrap import _prepare_keys
from bezant.foundation.secrets import control_secret_name, open_secret_store
from bezant.foundation.secrets.encrypted_files import EncryptedFiles
from bezant.foundation.settings import Settings
from bezant.foundation.standby import ACTIVE, STANDBY, UnknownMode, read_mode, wait_for_mode

from ..stores.fixtures import free_port


def _settings(tmp_path: Path, mode: str) -> Settings:
    EncryptedFiles.create_key(tmp_path / "key")
    (tmp_path / "mode").write_text(mode)
    return Settings(
        port=free_port(),
        mode_file=str(tmp_path / "mode"),
        secret_store_dir=str(tmp_path / "secrets"),
        secret_store_key_file=str(tmp_path / "key"),
        # nothing listens there: a process on standby must not even try
        control_database_port=free_port(),
    )


async def _with_credentials(settings: Settings) -> Settings:
    secrets = open_secret_store(settings)
    await _prepare_keys(secrets)
    await secrets.write(control_secret_name("payment"), {"user": "u", "password": "p"})
    return settings


@asynccontextmanager
async def _process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        f"BEZANT_{name.upper()}": str(value)
        for name, value in settings.model_dump().items()
        if value is not None and value != Settings.model_fields[name].default
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bezant.cli.serve_process", "payment",
        env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _answer(settings: Settings, path: str) -> tuple[int, dict[str, object]]:
    url = f"http://127.0.0.1:{settings.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json(content_type=None)


async def _until_up(settings: Settings) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await _answer(settings, "/livez")
                return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


async def test_on_standby_probes_are_answered_and_requests_are_refused(tmp_path: Path) -> None:
    settings = await _with_credentials(_settings(tmp_path, STANDBY))
    async with _process(settings) as process:
        await _until_up(settings)
        assert await _answer(settings, "/readyz") == (200, {"status": "standby"})
        assert (await _answer(settings, "/startupz"))[0] == 200
        for path in ("/v1/payments", "/internal/v1/payments", "/"):
            status, body = await _answer(settings, path)
            assert (status, body["code"]) == (503, "standby")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_promotion_makes_the_process_go_on_as_an_active_one(tmp_path: Path) -> None:
    settings = await _with_credentials(_settings(tmp_path, STANDBY))
    async with _process(settings) as process:
        await _until_up(settings)
        (tmp_path / "mode").write_text(ACTIVE)
        # active, it looks for its database: there is none, so that it says so and ends
        _, told = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 1
    assert b"is promoted" in told
    assert b"the control database at" in told


async def test_a_standby_without_its_credentials_does_not_pretend(tmp_path: Path) -> None:
    settings = _settings(tmp_path, STANDBY)
    async with _process(settings) as process:
        _, told = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"there is no secret named bezant/platform/control/payment" in told


def test_without_a_file_a_process_is_active() -> None:
    assert read_mode(Settings()) == ACTIVE


@pytest.mark.parametrize("text", ["", "primary", "Active"])
def test_another_word_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnknownMode, match="it must say active or standby"):
        read_mode(_settings(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    settings = _settings(tmp_path, STANDBY)
    (tmp_path / "mode").unlink()
    with pytest.raises(UnknownMode, match="cannot be read"):
        read_mode(settings)


async def test_a_file_that_is_away_for_a_moment_changes_nothing(tmp_path: Path) -> None:
    settings = _settings(tmp_path, ACTIVE)
    waiting = asyncio.create_task(wait_for_mode(settings, STANDBY))
    (tmp_path / "mode").unlink()
    done, _ = await asyncio.wait([waiting], timeout=1.5)
    assert not done
    (tmp_path / "mode").write_text(STANDBY)
    await asyncio.wait_for(waiting, 5)
