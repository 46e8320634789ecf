"""`bezant admin`: what only somebody with access to the control database may do."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bezant.cli.settings_of_platform import settings_of
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.secrets import open_secret_store
from bezant.foundation.settings import Settings
from bezant.services.tenant.operations.create_admin_key import create_admin_key

app = typer.Typer(help="Administer the platform itself.", no_args_is_help=True)


@app.callback()
def admin() -> None:
    """Administer the platform itself."""


@app.command("create-key")
def create_key(
    name: Annotated[str, typer.Option(help="Who or what the key is for")] = "administrator",
    data_dir: Annotated[
        Path | None, typer.Option(help="The platform's data directory; without it the BEZANT_ settings are used")
    ] = None,
) -> None:
    """Make an administrator's API key and print it. It is shown this once."""
    settings = Settings() if data_dir is None else settings_of(data_dir)
    typer.echo(asyncio.run(make_admin_key(settings, name)))


async def make_admin_key(settings: Settings, name: str) -> str:
    """Return a fresh administrator's key. Raises `ControlUnavailable`, `SecretMissing`."""
    control = await ControlDatabase.open(service="tenant", settings=settings, secrets=open_secret_store(settings))
    try:
        return await create_admin_key(control, name=name)
    finally:
        await control.close()
