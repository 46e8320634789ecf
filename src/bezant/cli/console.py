"""The terminal, and how errors appear on it: one message that says what to do, and an exit code; never a traceback."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from bezant.local.errors import PlatformError

_WIDTH_WITHOUT_TERMINAL = 160


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on in silence: `bezant up | head` must not end the platform by ending its reader."""
        self.quiet = True
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)


console = _Console()
if not console.is_terminal:
    console.width = _WIDTH_WITHOUT_TERMINAL
errors = Console(stderr=True)


@contextmanager
def reported(*, as_json: bool = False) -> Iterator[None]:
    """Turn a `PlatformError` into a message and its exit code; with `as_json`, into a JSON object on stdout."""
    try:
        yield
    except PlatformError as error:
        if as_json:
            sys.stdout.write(json.dumps({"error": error.code, "message": str(error)}) + "\n")
        else:
            errors.print(f"bezant: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from error
