"""Show how the platform starts and stops: a live table on a terminal, a line for each change anywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bezant.local.status import PlatformState, PlatformStatus, ProcessState, ProcessStatus, StepStatus

_MARKS = {
    ProcessState.READY: ("●", "green"),
    ProcessState.STOPPED: ("○", "dim"),
    ProcessState.BACKING_OFF: ("✗", "red"),
    ProcessState.UNREADY: ("▲", "yellow"),
    ProcessState.WAITING: ("·", "dim"),
}


_WIDE = 110


class Progress:
    """Shows each state it is given."""

    def __init__(self, console: Console, live: Live | None, *, stopping: bool) -> None:
        self._console = console
        self._stopping = stopping
        self._live = live
        self._shown: dict[str, str] = {}

    def show(self, status: PlatformStatus) -> None:
        """Show a state."""
        if self._live is not None:
            self._live.update(_picture(status))
            if status.state is PlatformState.READY:
                # the picture stays; what happens from now on is told in lines, and an idle terminal costs nothing
                self._live.stop()
                self._live = None
                self._shown = {process.name: _remark(process) for process in status.processes}
                self._shown |= {step.name: _done(step) for step in status.steps}
            return
        for process in status.processes:
            if process.state is not ProcessState.READY or not self._stopping:
                self._line(process.name, _remark(process))
        for step in status.steps:
            if step.done and not self._stopping:
                self._line(step.name, _done(step))

    def _line(self, name: str, remark: str) -> None:
        if self._shown.get(name) != remark:
            self._shown[name] = remark
            if remark:
                self._console.print(f"{name}: {remark}", highlight=False)


@contextmanager
def progress(console: Console, *, stopping: bool = False) -> Iterator[Progress]:
    """Show progress on `console` while the block runs; what a terminal showed last stays."""
    if not console.is_terminal:
        yield Progress(console, None, stopping=stopping)
        return
    with Live(console=console, refresh_per_second=10) as live:
        yield Progress(console, live, stopping=stopping)


def _done(step: StepStatus) -> str:
    return f"done in {step.seconds:.2f} s"


def _remark(process: ProcessStatus) -> str:
    if process.state is ProcessState.READY and process.seconds_to_ready is not None:
        return f"ready in {process.seconds_to_ready:.2f} s"
    if process.state in {ProcessState.BACKING_OFF, ProcessState.UNREADY}:
        return f"{process.state}: {process.detail}"
    return "stopped" if process.state is ProcessState.STOPPED else ""


def _picture(status: PlatformStatus) -> Group:
    table = Table.grid(padding=(0, 2))
    for process in status.processes:
        mark, style = _MARKS.get(process.state, ("", ""))
        first = Text(mark, style) if mark else Spinner("dots", style="cyan")
        ready = process.seconds_to_ready if process.state is ProcessState.READY else None
        table.add_row(
            first,
            process.name,
            Text(process.zone, "dim"),
            Text(process.state, style or "cyan"),
            Text(f"{ready:.2f} s" if ready is not None else process.detail[:60], "dim"),
        )
    for step in status.steps:
        seconds = f"{step.seconds:.2f} s" if step.seconds is not None else ""
        table.add_row(
            Text("●" if step.done else "·", "green" if step.done else "dim"),
            step.name,
            "",
            Text("done" if step.done else "waiting", "green" if step.done else "dim"),
            Text(seconds, "dim"),
        )
    title = Text(f"Bezant is {status.state}", "bold")
    if status.state is PlatformState.READY:
        title.append(f"  {status.url}", "cyan")
    return Group(title, table)


def status_table(status: PlatformStatus, width: int) -> Group:
    """Return the processes as a table for a terminal of that many columns."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("process", "role", "zone", "version", "state"):
        table.add_column(column, no_wrap=True)
    for column in ("pid", "port", "restarts"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("since (UTC)", no_wrap=True)
    table.add_column("", no_wrap=True)
    if width < _WIDE:
        for name in ("role", "since (UTC)"):
            table.columns = [column for column in table.columns if column.header != name]
    for process in status.processes:
        mark, style = _MARKS.get(process.state, ("◌", "cyan"))
        cells: list[str | Text] = [process.name]
        cells += [process.role] if width >= _WIDE else []
        cells += [process.zone, process.version, Text(f"{mark} {process.state}", style)]
        cells += [str(process.pid or ""), str(process.port or ""), str(process.restarts)]
        cells += [(process.started_at or "")[:19].replace("T", " ")] if width >= _WIDE else []
        table.add_row(*cells, process.detail[:60])
    title = Text.assemble("Bezant is ", (status.state, "bold"), f"  {status.url}  {status.data_dir}")
    return Group(title, table)
