"""A killed rehearsal's data goes with the next one; that of a running one, and everything else, stays."""

import subprocess
import sys
from pathlib import Path

from bezant.rehearsal.temporary_data import make_directory, remove_abandoned


def test_what_a_killed_rehearsal_left_goes_and_all_else_stays(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    ours = make_directory(tmp_path)
    left = tmp_path / f"bezant-rehearsal-{ended.pid}-abc_1"
    (left / "data" / "postgres").mkdir(parents=True)
    others = [tmp_path / name for name in ("bezant-rehearsal-notes", "bezant-faults-1-a", f"x{left.name}")]
    for other in others:
        other.mkdir()
    linked = tmp_path / f"bezant-rehearsal-{ended.pid}-link"
    linked.symlink_to(others[0])
    assert remove_abandoned(tmp_path) == [left]
    assert not left.exists()
    assert all(path.is_dir() for path in (ours, *others))
    assert linked.is_symlink()


def test_others_may_pass_the_directory(tmp_path: Path) -> None:
    assert make_directory(tmp_path).stat().st_mode & 0o777 == 0o755
