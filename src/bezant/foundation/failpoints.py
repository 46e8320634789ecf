"""Failpoints: named places between two writes where a test can kill the process.

Off unless `BEZANT_FAILPOINT_DIR` is set, which only the fault tests do. A test arms a point by creating a file
of its name in that directory; the first process to reach it removes the file and kills itself with SIGKILL, so
that the restarted process passes.
"""

import os
import signal
from pathlib import Path
from typing import Final

_DIRECTORY: Final = os.environ.get("BEZANT_FAILPOINT_DIR")


def failpoint(name: str) -> None:
    """Die here if the point is armed. Costs one comparison when failpoints are off."""
    if _DIRECTORY is None:
        return
    try:
        (Path(_DIRECTORY) / name).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
