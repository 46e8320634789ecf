"""Run a rehearsal on real processes, and draw it while it runs."""

import asyncio
import json
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import typer
from aiohttp import ClientError
from rich.live import Live

from bezant.cli.console import console, errors, write_json
from bezant.cli.rehearse_picture import Picture
from bezant.client import ApiProblem
from bezant.local.errors import PlatformError
from bezant.rehearsal.autoscaling.live import LoadNotSeen
from bezant.rehearsal.canary.rollout import NoCanary
from bezant.rehearsal.fleet import Fleet
from bezant.rehearsal.load import Load
from bezant.rehearsal.versions import VersionUnusable
from bezant.topology.errors import TopologyError

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
_UNUSABLE = (PlatformError, VersionUnusable, NoCanary, LoadNotSeen, TopologyError, ApiProblem, ClientError, OSError)
"""What makes a rehearsal impossible, as opposed to a promise that it finds broken."""


class Rehearsal(Protocol[Result_co]):
    """What is run: it tells what it does, and what it has prepared when its load starts."""

    def __call__(
        self, *, told: Callable[[str], None], prepared: Callable[[Fleet, Load], None]
    ) -> Coroutine[Any, Any, Result_co]:
        """Return the rehearsal, not begun yet."""


def watched(service: str, rehearsal: Rehearsal[Result], *, as_json: bool) -> Result:
    """Run it and return what it has found, its last picture left on the terminal. Exits when it is impossible."""
    picture = Picture(service)
    with (
        possible(as_json=as_json),
        Live(console=errors, refresh_per_second=8, transient=True, get_renderable=picture.draw),
    ):
        found = run_until_told_to_end(rehearsal(told=picture.told, prepared=picture.follow))
    if not as_json:
        console.print(picture.last())
    return found


@contextmanager
def possible(*, as_json: bool) -> Iterator[None]:
    """Say in one message, or as a JSON object, what makes a rehearsal impossible, and exit as that error says.

    1 is left to broken promises: an error that says so itself exits 2.
    """
    try:
        yield
    except _UNUSABLE as error:
        message = str(error) or type(error).__name__
        if as_json:
            code = error.code if isinstance(error, PlatformError | TopologyError) else "impossible"
            write_json(json.dumps({"error": code, "message": message}))
        else:
            errors.print(f"bezant: {message}", style="red", highlight=False, soft_wrap=True)
        raise typer.Exit(max(2, error.exit_code) if isinstance(error, PlatformError) else 2) from error


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
