"""The processes' log files: bounded in size, read from the end, followed.

Processes append (O_APPEND) to their file themselves, so a slow reader can never block them. A file that has grown to
the bound is copied to NAME.1.log and cut: appending goes on at the new end, without the process taking notice.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

BOUND_BYTES: Final = 16 * 1024 * 1024
"""Together with the one before it, a process keeps at most twice this much."""
_CHUNK_BYTES: Final = 1024 * 1024


def bound(path: Path, bound_bytes: int = BOUND_BYTES) -> bool:
    """Cut the file if it has reached the bound, keeping what it held in NAME.1.SUFFIX; return whether it was cut."""
    try:
        if path.stat().st_size < bound_bytes:
            return False
    except FileNotFoundError:
        return False
    earlier = path.with_suffix(f".1{path.suffix}")
    temporary = path.with_suffix(".copying")
    with path.open("rb") as source, temporary.open("wb") as copy:
        while chunk := source.read(_CHUNK_BYTES):
            copy.write(chunk)
        # lines written between the last read and the cut would be lost; that is microseconds
        os.truncate(path, 0)
    temporary.replace(earlier)
    return True


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of the file; none when it does not exist."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - count * 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return lines[-count:] if count else []


class _Follower:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def new_lines(self) -> list[str]:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return []
        if size < self._position:  # it was cut
            self._position = 0
        if size == self._position:
            return []
        with self.path.open("rb") as file:
            file.seek(self._position)
            data = self._rest + file.read(_CHUNK_BYTES)
            self._position = file.tell()
        *lines, self._rest = data.split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def follow(
    paths: Sequence[Path], is_over: Callable[[], bool], pause_seconds: float = 0.2
) -> Iterator[tuple[Path, str]]:
    """Yield each line that is appended to any of the files from now on, until `is_over` says so."""
    followers = [_Follower(path) for path in paths]
    while True:
        over = is_over()
        found = False
        for follower in followers:
            for line in follower.new_lines():
                found = True
                yield follower.path, line
        if over:
            return
        if not found:
            time.sleep(pause_seconds)
