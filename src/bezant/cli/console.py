"""The terminal, and how errors appear on it: one message that says what to do, and an exit code; never a traceback."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bezant.cli.visible import visible
from bezant.local.errors import PlatformError

_WIDTH_WITHOUT_TERMINAL = 160
_LAYOUT = "\n\t"


class _Console(Console):
    """A terminal on which text is data: no markup, no names of emoji, no control characters.

    Styles are for `rich.text.Text`, which says which part of a line they are for.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make text of a string, with its control characters in sight before its width is measured."""
        return super().render_str(visible(text, keep=_LAYOUT), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render anything; what is left of control characters in it, for example in a `Text`, is shown too."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield segment._replace(text=visible(segment.text, keep=_LAYOUT))

    def on_broken_pipe(self) -> None:
        """Go on in silence: `bezant up | head` must not end the platform by ending its reader."""
        self.quiet = True
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)


console = _Console()
if not console.is_terminal:
    console.width = _WIDTH_WITHOUT_TERMINAL
errors = _Console(stderr=True)


def write_json(text: str) -> None:
    """Print a JSON document. What a terminal would obey is escaped in it, which changes nothing of what it says."""
    sys.stdout.write(visible(text, keep="\n") + "\n")


@contextmanager
def reported(*, as_json: bool = False) -> Iterator[None]:
    """Turn a `PlatformError` into a message and its exit code; with `as_json`, into a JSON object on stdout."""
    try:
        yield
    except PlatformError as error:
        if as_json:
            write_json(json.dumps({"error": error.code, "message": str(error)}))
        else:
            errors.print(f"bezant: {error}", style="red", highlight=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from error
