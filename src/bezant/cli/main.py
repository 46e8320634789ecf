"""The `bezant` command: puts the groups of commands together."""

import typer

from bezant.cli import platform

app = typer.Typer(
    name="bezant",
    help="Bezant, a multi-tenant payments platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
# the platform's commands stand at the top: `bezant up`, not `bezant platform up`
app.add_typer(platform.app)


if __name__ == "__main__":
    app()
