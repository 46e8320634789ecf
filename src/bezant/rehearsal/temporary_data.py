"""Where a rehearsal's data lies that nobody wants to keep: in a directory that goes with it, or with the next one.

A rehearsal that is killed cannot clean up. Its directory says whose it was, and the next rehearsal of the same account
removes what belongs to a process that has ended.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from bezant.local import proc

PLACE: Final = Path("/tmp")  # noqa: S108  the names in it are made by mkdtemp
"""PostgreSQL does not run as root: another account has to be able to pass, not so below /root or in $TMPDIR."""
_NAME: Final = re.compile(r"bezant-rehearsal-(?P<pid>[0-9]+)-\w+")


def make_directory(place: Path = PLACE) -> Path:
    """Return a new directory that others may pass, after removing what killed rehearsals have left. Raises OSError."""
    remove_abandoned(place)
    made = Path(tempfile.mkdtemp(prefix=f"bezant-rehearsal-{os.getpid()}-", dir=place))
    made.chmod(0o755)
    return made


def remove_abandoned(place: Path = PLACE) -> list[Path]:
    """Remove the directories of rehearsals of this account that have ended, and return them."""
    abandoned = []
    for path in place.iterdir():
        found = _NAME.fullmatch(path.name)
        if found is None or proc.start_ticks(int(found["pid"])) is not None:
            continue
        if path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.geteuid():
            # what cannot be removed now is in nobody's way, and tried again by the next
            shutil.rmtree(path, ignore_errors=True)
            abandoned.append(path)
    return abandoned
