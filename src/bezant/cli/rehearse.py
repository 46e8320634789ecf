"""`bezant rehearse`: try the model's operational promises before they are needed. Each command has a module."""

import typer

from bezant.cli.rehearse_autoscale import autoscale
from bezant.cli.rehearse_canary import canary
from bezant.cli.rehearse_chaos import chaos
from bezant.cli.rehearse_rolling import rolling

app = typer.Typer(help="Rehearse what the deployment model promises.", no_args_is_help=True)


@app.callback()
def rehearse() -> None:
    """Rehearse what the deployment model promises."""


app.command()(autoscale)
app.command()(rolling)
app.command()(canary)
app.command()(chaos)
