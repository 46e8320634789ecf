"""The rehearsals in a short form: on their own platform, through the command, judged by what the report says."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.faults


async def rehearse(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    page = tmp_path / "report.html"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bezant.cli.main", "rehearse", *arguments, "--json", "--report", str(page),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, complaints = await process.communicate()
    assert told, complaints.decode()
    assert "<svg" in page.read_text("utf-8")
    return process.returncode or 0, json.loads(told)


def kept(report: dict[str, Any]) -> dict[str, bool]:
    return {promise["text"]: promise["kept"] for promise in report["promises"]}


async def test_a_rolling_update_loses_no_request(tmp_path: Path) -> None:
    code, report = await rehearse(
        tmp_path, "rolling", "payment", "--to", "HEAD", "--replicas", "3", "--requests", "1500", "--rate", "80"
    )
    assert (code, report["kept"]) == (0, True), kept(report)
    assert kept(report)["No request fails"]
    assert kept(report)["Never fewer than 3 replicas are ready"]
    lanes = {lane["name"]: [span["kind"] for span in lane["spans"]] for lane in report["timeline"]["lanes"]}
    assert sorted(lanes) == [f"payment-{number}" for number in range(6)]
    assert lanes["payment-0"][-1] == "draining"
    assert lanes["payment-5"][-1] == "next"


async def test_a_version_with_errors_is_taken_back_at_the_first_step(tmp_path: Path) -> None:
    code, report = await rehearse(tmp_path, "canary", "payment", "--fault", "errors")
    assert (code, report["kept"]) == (0, True), kept(report)
    (verdicts,) = (table for table in report["tables"] if table["title"] == "Verdicts")
    (attempt,) = verdicts["rows"]
    assert attempt[1] == "aborted"
    assert attempt[4].startswith("error-rate ")


async def test_what_cannot_be_rolled_out_is_refused_before_a_replica_is_touched(tmp_path: Path) -> None:
    for arguments, told in (
        (("rolling", "payment", "--to", "no-such-branch"), "no-such-branch"),
        (("canary", "audit"), "states no canary for audit"),
        (("canary", "payment", "--fault", "nonsense"), "the faults are"),
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bezant.cli.main", "rehearse", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode == 2, output.decode()
        assert told in output.decode()
