"""Who the servers run as: an unprivileged account under root, the caller's own otherwise."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bezant.local import accounts, binaries
from bezant.local.accounts import NOBODY, first_unreachable, unprivileged_account
from bezant.local.errors import DataDirectoryUnusable
from bezant.local.platform import LocalPlatform

from .parts import without_valkey

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has this choice")


@pytest.fixture
def closed() -> Iterator[Path]:
    """A directory that nobody but its owner can pass, as /root is."""
    path = Path(tempfile.mkdtemp(prefix="bezant-closed-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def as_nobody(*command: str) -> list[str]:
    """The command as account 65534. Where that account cannot reach the interpreter, it may read past the closed
    directories, which is all that this capability allows."""
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if first_unreachable(Path(command[0]).resolve(), NOBODY, NOBODY) is not None:
        drop += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return [*drop, "--", *command]


@as_root
def test_under_root_postgres_runs_as_nobody(room: Callable[[], Path], port_block: Callable[[], int]) -> None:
    with LocalPlatform(without_valkey(room(), port_block())) as platform:
        assert owner(platform.process("postgres").pid or 0) == NOBODY


@as_root
def test_under_root_closed_directories_of_data_and_programs_are_no_obstacle(
    closed: Path, port_block: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = binaries.postgres("postgres").path.parents[2]
    for part in (installed, installed.with_suffix(".libs")):
        shutil.copytree(part, closed / "packages" / part.name)
    monkeypatch.setenv("PYTHONPATH", f"{closed / 'packages'}:{os.environ.get('PYTHONPATH', '')}")
    with LocalPlatform(without_valkey(closed / "data", port_block())) as platform:
        pid = platform.process("postgres").pid or 0
        assert Path(f"/proc/{pid}/exe").readlink().is_relative_to(closed)
        assert owner(pid) == NOBODY
        capabilities = Path(f"/proc/{pid}/status").read_text()
        assert "CapEff:\t0000000000000004" in capabilities  # CAP_DAC_READ_SEARCH and no other
        platform.kill_supervisor()
        with LocalPlatform(platform.options):
            pass


@as_root
def test_under_root_without_setpriv_the_directory_in_the_way_is_named(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts.shutil, "which", lambda _name: None)
    with pytest.raises(DataDirectoryUnusable, match=f"cannot pass {closed}"):
        unprivileged_account(closed / "data", Path("/bin/true"))


def test_the_first_directory_that_an_account_cannot_pass_is_found(closed: Path) -> None:
    (closed / "a").mkdir()
    stranger = os.geteuid() + 1
    assert first_unreachable(closed / "a" / "b", stranger, stranger) == closed
    closed.chmod(0o755)
    assert first_unreachable(closed / "a" / "b", stranger, stranger) is None


@as_root
def test_a_normal_user_starts_everything_as_himself(room: Callable[[], Path], port_block: Callable[[], int]) -> None:
    home = room()
    os.chown(home, NOBODY, NOBODY)
    options = without_valkey(home / "data dir", port_block())
    program = (
        "import os, sys, msgspec\n"
        "from bezant.local.options import PlatformOptions\n"
        "from bezant.local.platform import LocalPlatform\n"
        "with LocalPlatform(msgspec.json.decode(sys.argv[1], type=PlatformOptions)) as platform:\n"
        "    owners = {os.stat(f'/proc/{p.pid}').st_uid for p in platform.status().processes}\n"
        "    print(platform.status().state, owners)\n"
    )
    ran = subprocess.run(
        as_nobody(sys.executable, "-c", program, msgspec.json.encode(options).decode()),
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout == f"ready {{{NOBODY}}}\n", ran.stderr
    assert pwd.getpwuid(NOBODY).pw_uid == (home / "data dir" / "keys").stat().st_uid
    # root may take over what a normal user made: postgres goes on as the directory's owner
    with LocalPlatform(options) as platform:
        assert owner(platform.process("postgres").pid or 0) == NOBODY
