import os
from pathlib import Path

from bezant.local import log_files


def test_a_log_at_its_bound_is_kept_once_and_goes_on_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(writer, b"a" * 1000)
    assert not log_files.bound(path, 1001)
    assert log_files.bound(path, 1000)
    os.write(writer, b"later\n")
    os.close(writer)
    assert path.read_bytes() == b"later\n"
    assert (tmp_path / "x.1.log").read_bytes() == b"a" * 1000


def test_the_last_lines_of_a_long_log_are_found(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("".join(f"line {n}\n" for n in range(5000)))
    assert log_files.last_lines(path, 2) == ["line 4998", "line 4999"]
    assert log_files.last_lines(path, 0) == []
    assert log_files.last_lines(tmp_path / "none.log", 5) == []


def test_following_yields_whole_lines_across_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("old\n")
    steps = iter([b"one\ntw", b"o\n", None, b"three\n"])

    def write_next() -> bool:
        step = next(steps, b"")
        if step is None:
            os.truncate(path, 0)
        else:
            with path.open("ab") as file:
                file.write(step)
        return step == b""

    lines = [line for _, line in log_files.follow([path], write_next, pause_seconds=0)]
    assert lines == ["one", "two", "three"]
