"""The rehearsal of faults in a short form: every fault once, and the promises kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from bezant.rehearsal.chaos.faults import FAULTS
from bezant.rehearsal.report.document import State, from_json

pytestmark = [pytest.mark.faults, pytest.mark.timeout(420)]


def test_every_fault_is_survived(tmp_path: Path) -> None:
    page = tmp_path / "chaos.html"
    command = [sys.executable, "-m", "bezant.cli.main", "rehearse", "chaos", "--seconds", "2", "--rate", "20"]
    done = subprocess.run([*command, "--json", "--report", str(page)], capture_output=True, timeout=400, check=False)
    report = from_json(done.stdout)
    broken = [f"{promise.text}: {promise.figure}" for promise in report.promises if not promise.kept]
    assert (broken, done.returncode) == ([], 0), done.stderr.decode()
    figures = {figure.name: figure.value for figure in report.figures}
    assert (figures["payments lost"], figures["payments doubled"]) == (0, 0)
    assert isinstance(figures["payments acknowledged"], int)
    assert figures["payments acknowledged"] > 20 * len(FAULTS)
    assert [row[0] for row in report.tables[0].rows] == list(FAULTS)
    inflicted = next(lane for lane in report.timeline.lanes if lane.name == "fault").spans
    assert [span.label for span in inflicted] == list(FAULTS)
    ended = {lane.name for lane in report.timeline.lanes for span in lane.spans if span.kind is not State.STABLE}
    assert {"payment-0", "postgres", "broker"} <= ended, "what was killed is seen to be away"
    assert "Every promise was kept" in page.read_text()
