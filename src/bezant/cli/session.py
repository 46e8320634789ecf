"""Where a command finds the platform and the key it speaks with."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import aiohttp
import msgspec
import typer
from rich.table import Table

from bezant.cli.console import console, errors
from bezant.cli.keyring import Keyring
from bezant.client import ApiProblem, BezantClient

T = TypeVar("T")
DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="BEZANT_DATA_DIR", help="The data directory whose keyring is used.")
]
Url = Annotated[str, typer.Option("--url", envvar="BEZANT_URL", help="The gateway.")]
Tenant = Annotated[
    str | None, typer.Option("--tenant", envvar="BEZANT_TENANT", help="The tenant, by the slug in the keyring.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_URL = "http://127.0.0.1:8080"


def key_of(data_dir: Path, name: str | None) -> str:
    """Return the key in the keyring under a tenant's slug or `admin`; with one tenant its slug may be left out.

    Raises `typer.BadParameter` that says how to get a key.
    """
    keyring = Keyring(data_dir)
    if name is None:
        tenants = [known for known in keyring.names() if known != "admin" and not known.startswith("session")]
        if len(tenants) != 1:
            raise typer.BadParameter(f"say --tenant; the keyring has {', '.join(tenants) or 'none'}")
        name = tenants[0]
    api_key = keyring.get(name)
    if api_key is None:
        how = "bezant admin create-key" if name == "admin" else f"bezant tenant create {name}"
        raise typer.BadParameter(f"the keyring in {data_dir} has no key {name!r}; `{how}` makes one")
    return api_key


def speak(url: str, api_key: str | None, work: Callable[[BezantClient], Awaitable[T]]) -> T:
    """Run the work with a client; a refusal becomes one message and exit code 1. No key is for signing in."""

    async def run() -> T:
        async with BezantClient(url, api_key) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except ApiProblem as problem:
        errors.print(f"bezant: {problem.detail or problem} [{problem.code}]", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from problem
    except aiohttp.ClientError as error:
        errors.print(
            f"bezant: {url} does not answer ({type(error).__name__}). Is the platform up? `bezant status` says so",
            style="red", markup=False, soft_wrap=True,
        )  # fmt: skip
        raise typer.Exit(3) from error


def show(document: Any, *, as_json: bool, table: Callable[[Any], Table]) -> None:
    """Print a document as JSON or as a table."""
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    else:
        console.print(table(document))


def rows(title: str, columns: list[str], cells: list[list[Any]]) -> Table:
    """Return a table of text cells."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in cells:
        table.add_row(*("" if cell is None else str(cell) for cell in line))
    return table


def facts(title: str, pairs: dict[str, Any]) -> Table:
    """Return a table of names and values."""
    return rows(title, ["", ""], [[name, value] for name, value in pairs.items()])
