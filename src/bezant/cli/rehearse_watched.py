"""Run a rehearsal on real processes, and draw it while it runs."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import typer
from rich.live import Live

from bezant.cli.console import console, errors
from bezant.cli.rehearse_picture import Picture
from bezant.local.errors import PlatformError
from bezant.rehearsal.autoscaling.live import LoadNotSeen
from bezant.rehearsal.canary.rollout import NoCanary
from bezant.rehearsal.fleet import Fleet
from bezant.rehearsal.load import Load
from bezant.rehearsal.versions import VersionUnusable
from bezant.topology.errors import TopologyError

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
_UNUSABLE = (PlatformError, VersionUnusable, NoCanary, LoadNotSeen, TopologyError)
"""What makes a rehearsal impossible, as opposed to a promise that it finds broken."""


class Rehearsal(Protocol[Result_co]):
    """What is run: it tells what it does, and what it has prepared when its load starts."""

    def __call__(
        self, *, told: Callable[[str], None], prepared: Callable[[Fleet, Load], None]
    ) -> Coroutine[Any, Any, Result_co]:
        """Return the rehearsal, not begun yet."""


def watched(service: str, rehearsal: Rehearsal[Result], *, as_json: bool) -> Result:
    """Run it and return what it has found, its last picture left on the terminal. Exits 2 when it is impossible."""
    picture = Picture(service)
    try:
        with Live(console=errors, refresh_per_second=8, transient=True, get_renderable=picture.draw):
            found = run_until_told_to_end(rehearsal(told=picture.told, prepared=picture.follow))
    except _UNUSABLE as error:
        errors.print(f"bezant: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    if not as_json:
        console.print(picture.last())
    return found


def run_until_told_to_end(rehearsal: Coroutine[Any, Any, Result]) -> Result:
    """Run it and return what it has found. SIGTERM ends it as Ctrl-C does: the platform stops, its data is deleted."""

    async def run() -> Result:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await rehearsal

    try:
        return asyncio.run(run())
    except asyncio.CancelledError as error:
        raise typer.Exit(128 + signal.SIGTERM) from error
