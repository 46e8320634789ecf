"""How much memory the whole platform uses: the proportional set size, in which shared pages count once."""

from pathlib import Path

import msgspec

from bezant.local import proc


class ProcessFootprint(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the platform, with all that it started."""

    name: str
    pids: list[int]
    pss_bytes: int


def _parents() -> dict[int, int]:
    found: dict[int, int] = {}
    for pid in proc.pids():
        parent = proc.parent(pid)
        if parent is not None:
            found[pid] = parent
    return found


def pss_bytes(pid: int) -> int:
    """Return the proportional set size of one process; 0 when it has ended (smaps_rollup, proc(5)).

    Raises PermissionError for another account's process.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in lines:
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def footprint(named_pids: dict[str, int]) -> list[ProcessFootprint]:
    """Return the footprint of each named process and its descendants. No other named process counts among them."""
    parents = _parents()
    roots = {pid: name for name, pid in named_pids.items()}
    members: dict[str, list[int]] = {name: [] for name in named_pids}
    for pid in parents:
        ancestor = pid
        while ancestor not in roots and ancestor in parents:
            ancestor = parents[ancestor]
        if ancestor in roots:
            members[roots[ancestor]].append(pid)
    return [
        ProcessFootprint(name=name, pids=sorted(pids), pss_bytes=sum(pss_bytes(pid) for pid in pids))
        for name, pids in members.items()
    ]
