"""How a rehearsal ends that is told to end, or that is impossible."""

import json
import signal
import subprocess
import sys

import pytest
import typer

from bezant.cli.rehearse_watched import possible, run_until_told_to_end
from bezant.local.errors import PortTaken, StartFailed

TOLD_TO_END = """
import asyncio
from bezant.cli.rehearse_watched import run_until_told_to_end

async def rehearse():
    print("begun", flush=True)
    try:
        await asyncio.sleep(30)
    finally:
        await asyncio.sleep(0.05)
        print("cleaned up", flush=True)

try:
    run_until_told_to_end(rehearse())
except BaseException as error:
    raise SystemExit(error.exit_code)
"""


def test_one_that_is_told_to_end_cleans_up_first() -> None:
    process = subprocess.Popen([sys.executable, "-c", TOLD_TO_END], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=20)
    assert (told, process.returncode) == ("cleaned up\n", 128 + signal.SIGTERM)


@pytest.mark.parametrize(
    ("error", "code", "document"),
    [
        (PortTaken("18000"), 4, {"error": "port_taken", "message": "18000"}),
        (StartFailed("no PostgreSQL"), 2, {"error": "start_failed", "message": "no PostgreSQL"}),
        (
            PermissionError(13, "Permission denied"),
            2,
            {"error": "impossible", "message": "[Errno 13] Permission denied"},
        ),
        (TimeoutError(), 2, {"error": "impossible", "message": "TimeoutError"}),
    ],
)
def test_one_that_is_impossible_says_why_and_is_no_broken_promise(
    error: Exception, code: int, document: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    async def impossible() -> None:
        raise error

    with pytest.raises(typer.Exit) as ended, possible(as_json=True):
        run_until_told_to_end(impossible())
    assert ended.value.exit_code == code
    assert json.loads(capsys.readouterr().out) == document
