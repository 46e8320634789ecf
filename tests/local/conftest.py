"""Fixtures of the local platform's tests: ports that are free, directories that any account reaches."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bezant.local.data_directory import DataDirectory
from bezant.local.platform import LocalPlatform

from .parts import free_block, infrastructure


@pytest.fixture(scope="session")
def port_block() -> Callable[[], int]:
    """Returns a free block at each call: the gateway's port is the block's last."""
    taken: set[int] = set()
    return lambda: free_block(taken)


@pytest.fixture(scope="session")
def room() -> Iterator[Callable[[], Path]]:
    """Returns a fresh directory at each call, with a space in its name, that any account can pass."""
    root = Path(tempfile.mkdtemp(prefix="bezant-local-", dir="/tmp"))
    root.chmod(0o755)
    count = iter(range(1000))

    def make() -> Path:
        path = root / f"data directory {next(count)}"
        path.mkdir()
        return path

    yield make
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def platform(room: Callable[[], Path], port_block: Callable[[], int]) -> Iterator[LocalPlatform]:
    """The infrastructure, running; shared by the tests of a module, each of which leaves it ready."""
    running = LocalPlatform(infrastructure(room(), port_block()))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def directory(room: Callable[[], Path]) -> DataDirectory:
    made = DataDirectory(room())
    made.create()
    return made
