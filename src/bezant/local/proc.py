"""What Linux tells about processes in /proc: whether a pid is still the process we started, who listens on a port.

A pid alone names nothing for long: the kernel hands it out again. Together with the start time (field 22 of
/proc/PID/stat, in clock ticks since boot, proc(5)) it names one process.
"""

import os
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # the second field is the name in parentheses and may itself hold spaces and parentheses
    return text[text.rindex(")") + 2 :].split()


def start_ticks(pid: int) -> int | None:
    """Return when `pid` started, in clock ticks since boot; None when it is gone or only a zombie."""
    fields = _stat_fields(pid)
    if fields is None or fields[0] in {"Z", "X"}:
        return None
    return int(fields[19])


def cpu_seconds(pid: int) -> float | None:
    """Return the CPU time that `pid` has used, in user and kernel mode; None when it is gone."""
    fields = _stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND if fields is not None else None


def parent(pid: int) -> int | None:
    """Return the parent of `pid`; None when it is gone."""
    fields = _stat_fields(pid)
    return int(fields[1]) if fields is not None else None


def boot_id() -> str:
    """Return the id of this boot; a record of an earlier boot names no process of this one."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def command_line(pid: int) -> str:
    """Return the command of `pid` for people, shortened; empty when it cannot be read."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return ""
    text = " ".join(word.decode(errors="replace") for word in words)
    return text if len(text) <= 120 else text[:117] + "..."


def pids() -> list[int]:
    """Return all pids that can be seen."""
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def working_directory(pid: int) -> Path | None:
    """Return where `pid` works; None when it is gone, a zombie or somebody else's."""
    try:
        return (_PROC / str(pid) / "cwd").readlink()
    except OSError:
        return None


def listening_inodes(port: int) -> set[str]:
    """Return the socket inodes that listen on TCP `port`, on any address."""
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def holds_socket(pid: int, inodes: set[str]) -> bool:
    """Return whether `pid` has one of the socket inodes open. Another account's process cannot be looked into."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    try:
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            try:
                if str(descriptor.readlink()) in wanted:
                    return True
            except OSError:
                continue
    except OSError:
        return False
    return False


def listener(port: int) -> int | None:
    """Return a pid that listens on `port`; None when none is found or it is another account's."""
    inodes = listening_inodes(port)
    if not inodes:
        return None
    return next((pid for pid in pids() if holds_socket(pid, inodes)), None)
