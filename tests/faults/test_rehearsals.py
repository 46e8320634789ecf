"""The rehearsals in a short form: on their own platform, through the command, judged by what the report says."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bezant.topology.loading import dump_topology, load_model

pytestmark = [pytest.mark.faults, pytest.mark.timeout(480)]


async def rehearse(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    page = tmp_path / "report.html"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bezant.cli.main", "rehearse", *arguments, "--json", "--report", str(page),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        told, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    report: dict[str, Any] = json.loads(told) if told else {}
    assert "promises" in report, report or complaints.decode()
    assert "<svg" in page.read_text("utf-8")
    return process.returncode or 0, report


def kept(report: dict[str, Any]) -> dict[str, bool]:
    return {promise["text"]: promise["kept"] for promise in report["promises"]}


def verdicts(report: dict[str, Any]) -> list[list[str]]:
    (rows,) = (table["rows"] for table in report["tables"] if table["title"] == "Verdicts")
    return rows


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
    code, report = await rehearse(
        tmp_path, "canary", "payment", "--fault", "errors", "--compression", "22", "--rate", "110"
    )
    assert (code, report["kept"]) == (0, True), kept(report)
    (attempt,) = verdicts(report)
    assert attempt[1] == "aborted"
    assert attempt[4].startswith("error-rate ")


async def test_a_version_that_crashes_is_taken_back_every_time(tmp_path: Path) -> None:
    code, report = await rehearse(tmp_path, "canary", "payment", "--fault", "crash", "--times", "2", "--rate", "110")
    assert (code, report["kept"]) == (0, True), kept(report)
    assert [(row[0], row[1]) for row in verdicts(report)] == [("1", "aborted"), ("2", "aborted")]
    figures = {figure["name"]: figure["value"] for figure in report["figures"]}
    assert figures["aborted"] == 2
    assert report["settings"]["drawn"] == "rollout 2 of 2"
    told = {promise["text"]: promise["figure"] for promise in report["promises"]}
    assert told["Every ledger balances"] == "4 ledgers checked", "two platforms, of two tenants each"
    assert told["Every verdict is on record"].startswith("2 of 2 ")


@pytest.mark.timeout(900)
async def test_a_healthy_version_is_promoted_and_the_old_one_ends(tmp_path: Path) -> None:
    """With two steps, of which both give the canary the samples that the analysis wants in a short time."""
    topology = load_model("production")
    payment = next(service for service in topology.services if service.name == "payment")
    assert payment.canary is not None
    half, whole = (step.model_copy(update={"hold_minutes": 45}) for step in payment.canary.steps[-2:])
    short = payment.canary.model_copy(update={"steps": (half, whole), "stated_hours": None})
    services = tuple(
        service.model_copy(update={"canary": short, "replicas": 2, "autoscaling": None})
        if service.name == "payment"
        else service
        for service in topology.services
    )
    model = tmp_path / "short.yaml"
    model.write_text(dump_topology(topology.model_copy(update={"services": services})))
    for _ in range(3):
        code, report = await rehearse(
            tmp_path, "canary", "payment", "--model", str(model), "--compression", "50", "--rate", "60"
        )
        ((_, verdict, _, _, because),) = verdicts(report)
        # how fast the machine is at the moment is not what is tried here
        if verdict != "inconclusive" and not because.startswith("p99-latency"):
            break
    assert (code, report["kept"]) == (0, True), kept(report)
    assert kept(report)["No request fails"]
    assert kept(report)["Every verdict is on record"]
    lanes = {lane["name"]: [span["kind"] for span in lane["spans"]] for lane in report["timeline"]["lanes"]}
    assert sorted(lanes) == ["payment-0", "payment-1", "payment-2", "payment-3"]
    assert lanes["payment-1"][-1] == "draining"
    assert lanes["payment-3"][-1] == "next"


async def test_real_replicas_follow_their_load(tmp_path: Path) -> None:
    code, report = await rehearse(tmp_path, "autoscale", "--live", "--compression", "20", "--rate", "40")
    assert code == (0 if report["kept"] else 1)
    promises = kept(report)
    # how near the CPU comes to its target in so short a time is the machine's; that nothing is lost over it is not
    promises.pop("Each step ends with a CPU within the tolerance of the target, or below")
    assert len(promises) > 8
    assert all(promises.values()), promises


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
