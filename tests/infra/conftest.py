"""The templates of the production model, made once for a run."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from infrastructure.app import build

from bezant.topology.loading import load_model
from bezant.topology.model.deployment import Topology

from .checks.templates import COUNTS, Templates, templates_in


@pytest.fixture(scope="session")
def model() -> Topology:
    return load_model("production")


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory, model: Topology) -> Path:
    directory = tmp_path_factory.mktemp("cdk") / "cdk.out"
    build(model, outdir=str(directory)).synth()
    return directory


@pytest.fixture(scope="session")
def templates(assembly: Path, model: Topology) -> Callable[[], Templates]:
    """Return what makes fresh copies of the templates, which a test may change."""
    read = templates_in(assembly, model)
    kept = pickle.dumps(read)
    return lambda: pickle.loads(kept)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for tool, counted in COUNTS.items():
        terminalreporter.write_line(f"{tool:<20} {counted}")
