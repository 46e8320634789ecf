"""The account a process runs as. PostgreSQL refuses to run as root, so root hands it to an unprivileged account.

The trap: that account must be able to reach the data directory and the program, and a parent with mode 0700 (such
as /root) forbids it. Where setpriv(1) is at hand, the process then keeps one capability, CAP_DAC_READ_SEARCH, and
only that; where it is not, the error says which directory is in the way.
"""

import os
import shutil
import signal
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bezant.local.errors import DataDirectoryUnusable

NOBODY = 65534
"""The overflow uid of Linux; it owns nothing else that matters."""


@dataclass(frozen=True, slots=True)
class Account:
    """A numeric account. With `setpriv` set, the process is started through it and keeps CAP_DAC_READ_SEARCH."""

    uid: int
    gid: int
    setpriv: str | None = None

    def wrap(self, command: Sequence[str | Path], orphan_signal: signal.Signals) -> list[str | Path]:
        """Return the command as it has to be executed."""
        if self.setpriv is None:
            return list(command)
        return [
            self.setpriv,
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            "--clear-groups",
            "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search",
            # otherwise access(2), with which initdb looks for its programs, leaves the capability out
            "--securebits=+no_setuid_fixup",
            # changing the uid clears the parent death signal, so setpriv has to set it afterwards
            f"--pdeathsig={orphan_signal.name.removeprefix('SIG')}",
            "--",
            *command,
        ]


def first_unreachable(path: Path, uid: int, gid: int) -> Path | None:
    """Return the first parent of `path` that an account without groups may not pass; None when all may be passed."""
    for parent in reversed(path.resolve().parents):
        try:
            status = parent.stat()
        except FileNotFoundError:
            return None
        if status.st_uid == uid:
            passable = status.st_mode & stat.S_IXUSR
        elif status.st_gid == gid:
            passable = status.st_mode & stat.S_IXGRP
        else:
            passable = status.st_mode & stat.S_IXOTH
        if not passable:
            return parent
    return None


def unprivileged_account(directory: Path, program: Path) -> Account | None:
    """Return the account for a program that refuses root and keeps its data in `directory`; None: our own is fine.

    A directory that already belongs to an unprivileged account keeps it. Raises `DataDirectoryUnusable` when the
    account cannot reach the directory or the program and setpriv(1) is not there to help.
    """
    if os.geteuid() != 0:
        return None
    uid = gid = NOBODY
    if directory.exists() and directory.stat().st_uid != 0:
        uid, gid = directory.stat().st_uid, directory.stat().st_gid
    blocked = first_unreachable(directory, uid, gid) or first_unreachable(program, uid, gid)
    if blocked is None:
        return Account(uid, gid)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DataDirectoryUnusable(
            f"PostgreSQL does not run as root, and account {uid} cannot pass {blocked}. Choose a --data-dir and an "
            f"installation outside of {blocked}, or install util-linux (setpriv), or run as a normal user"
        )
    return Account(uid, gid, setpriv)
