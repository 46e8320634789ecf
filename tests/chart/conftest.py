"""The model that the chart is made from, and the counts of each tool at the end of a run."""

import pytest

from bezant.topology.loading import load_model
from bezant.topology.model.deployment import Topology

from .counts import COUNTS


@pytest.fixture(scope="session")
def model() -> Topology:
    return load_model("production")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COUNTS:
        terminalreporter.section("what each tool has looked at")
    for tool, notes in COUNTS.items():
        for what, counted in notes.items():
            terminalreporter.write_line(f"{tool:<20} {what}: {counted}")
